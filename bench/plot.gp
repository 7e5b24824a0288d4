# recall against queries/s.  Variables: output, title, files, labels (words), k, clients.
set terminal pngcairo size 900,600 noenhanced font ",12"
set output output
set title title
set xlabel sprintf("recall@%d", k)
set ylabel sprintf("queries/s, %d client%s", clients, clients == 1 ? "" : "s")
set logscale y
set format y "%.0f"
set grid xtics ytics mytics
set key top right
plot for [i = 1:words(files)] word(files, i) using 2:3 with linespoints linewidth 2 pointtype 7 \
	title word(labels, i)
