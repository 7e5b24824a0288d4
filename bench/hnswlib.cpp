/*
 * hnswlib.cpp
 *	  hnswlib in a process of its own, beside the servers of compare.sh: what the same
 *	  graph does without pages, rows to fetch, visibility, logging and a client.
 *
 *	  hnswlib --space l2 --m 16 --ef-construction 64 --threads 2 --k 10 ITEMS QUERIES
 *
 * ITEMS and QUERIES (files, or pipes) are COPY ... (FORMAT binary) of (id int4, v vector);
 * queries count from 0.  Spaces: l2, ip, and cosine, which is ip of vectors of length 1.
 * Builds the graph, writes "built SECONDS MB" (MB of memory: vectors and links) and then
 * answers one line of standard input with one line of standard output:
 *
 *	  found EF FILE		lines "query id, row id" of the k nearest in FILE; "found LINES"
 *	  speed EF THREADS	passes over all queries by each thread; "speed QUERIES_PER_SECOND",
 *						that of the best of SPEED_PASSES passes
 *
 * until the input ends.  hnswlib is the system's (Debian: libhnswlib-dev, headers only),
 * compiled for the processor it runs on.
 */
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <hnswlib/hnswlib.h>

namespace
{

const int SPEED_PASSES = 5;
const int MAX_DIM = 16000; /* what the type vector holds */

/* "PGCOPY\n\377\r\n\0", flags, length of the header's extension (0). */
const size_t COPY_SIGNATURE_BYTES = 11;
const size_t COPY_HEADER_BYTES = COPY_SIGNATURE_BYTES + 4 + 4;

typedef hnswlib::HierarchicalNSW<float> Graph;

struct Options
{
	std::string space = "l2";
	size_t m = 16;
	size_t ef_construction = 64;
	int threads = 1;
	size_t k = 10;
	std::string items, queries;
};

/* Rows one after another, dim components each. */
struct Vectors
{
	size_t dim = 0;
	std::vector<int32_t> ids;
	std::vector<float> values;

	const float *row(size_t i) const
	{
		return &values[i * dim];
	}
	size_t count() const
	{
		return ids.size();
	}
};

[[noreturn]] void
die(const std::string &message)
{
	fprintf(stderr, "hnswlib: %s\n", message.c_str());
	exit(1);
}

Options
parse_options(int argc, char **argv)
{
	Options options;
	int i = 1;

	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2)
	{
		std::string name = argv[i] + 2, value = argv[i + 1];

		if (name == "space")
			options.space = value;
		else if (name == "m")
			options.m = std::stoul(value);
		else if (name == "ef-construction")
			options.ef_construction = std::stoul(value);
		else if (name == "threads")
			options.threads = std::stoi(value);
		else if (name == "k")
			options.k = std::stoul(value);
		else
			die("unknown option --" + name);
	}
	if (argc - i != 2)
		die("usage: hnswlib [--space S] [--m N] [--ef-construction N] [--threads N] [--k N] ITEMS "
			"QUERIES");
	options.items = argv[i];
	options.queries = argv[i + 1];
	return options;
}

/* ---------------------------------------------------------------- input */

void
read_bytes(FILE *in, void *bytes, size_t count, const std::string &path)
{
	if (fread(bytes, 1, count, in) != count)
		die(path + " ends too early");
}

uint32_t
read_uint32(FILE *in, const std::string &path)
{
	uint32_t value;

	read_bytes(in, &value, sizeof(value), path);
	return __builtin_bswap32(value);
}

int
read_int16(FILE *in, const std::string &path)
{
	uint16_t value;

	read_bytes(in, &value, sizeof(value), path);
	return static_cast<int16_t>(__builtin_bswap16(value));
}

/*
 * One row of a COPY stream: field count 2, length 4, id, length, dimension, a reserved
 * int16, components, everything big-endian.  False at the end mark, field count -1.
 */
bool
read_row(FILE *in, const std::string &path, Vectors *vectors)
{
	int fields = read_int16(in, path), dim;
	size_t at = vectors->values.size();
	uint32_t bits;

	if (fields == -1)
		return false;
	if (fields != 2 || read_uint32(in, path) != 4)
		die(path + " does not hold rows of (id int4, v vector)");
	vectors->ids.push_back(static_cast<int32_t>(read_uint32(in, path)));
	read_uint32(in, path);
	dim = read_int16(in, path);
	read_int16(in, path);
	if (dim < 1 || dim > MAX_DIM || (vectors->dim != 0 && vectors->dim != static_cast<size_t>(dim)))
		die(path + " holds a vector of " + std::to_string(dim) + " dimensions");
	vectors->dim = dim;
	vectors->values.resize(at + dim);
	read_bytes(in, &vectors->values[at], dim * sizeof(float), path);
	for (int i = 0; i < dim; i++)
	{
		memcpy(&bits, &vectors->values[at + i], sizeof(bits));
		bits = __builtin_bswap32(bits);
		memcpy(&vectors->values[at + i], &bits, sizeof(bits));
	}
	return true;
}

Vectors
read_vectors(const std::string &path)
{
	Vectors vectors;
	char header[COPY_HEADER_BYTES];
	FILE *in = fopen(path.c_str(), "rb");

	if (in == nullptr)
		die("cannot open " + path);
	read_bytes(in, header, sizeof(header), path);
	if (memcmp(header, "PGCOPY\n\377\r\n", COPY_SIGNATURE_BYTES) != 0)
		die(path + " is not COPY (FORMAT binary)");
	while (read_row(in, path, &vectors))
		;
	fclose(in);
	if (vectors.count() == 0)
		die(path + " holds no rows");
	return vectors;
}

/* Cosine: every vector to length 1; one of length 0 stays. */
void
normalise(Vectors *vectors)
{
	for (size_t i = 0; i < vectors->count(); i++)
	{
		float *row = &vectors->values[i * vectors->dim];
		double squares = 0;

		for (size_t d = 0; d < vectors->dim; d++)
			squares += static_cast<double>(row[d]) * row[d];
		for (size_t d = 0; d < vectors->dim && squares > 0; d++)
			row[d] = static_cast<float>(row[d] / std::sqrt(squares));
	}
}

/* ---------------------------------------------------------------- graph */

double
seconds_since(std::chrono::steady_clock::time_point start)
{
	return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/* work(0) .. work(threads - 1) at once; work(0) runs in this thread. */
void
run_threads(int threads, const std::function<void(int)> &work)
{
	std::vector<std::thread> others;

	for (int t = 1; t < threads; t++)
		others.emplace_back(work, t);
	work(0);
	for (std::thread &other : others)
		other.join();
}

/* The first row alone (it is the entry point), then the others by all threads. */
void
build(Graph *graph, const Vectors &items, int threads)
{
	std::atomic<size_t> next(1);

	graph->addPoint(items.row(0), items.ids[0]);
	run_threads(threads,
				[&](int)
				{
					for (size_t i = next++; i < items.count(); i = next++)
						graph->addPoint(items.row(i), items.ids[i]);
				});
}

double
memory_mb(const Graph &graph)
{
	double bytes = static_cast<double>(graph.max_elements_) * graph.size_data_per_element_;

	for (size_t i = 0; i < graph.max_elements_; i++)
		bytes += static_cast<double>(graph.element_levels_[i]) * graph.size_links_per_element_;
	return bytes / 1048576;
}

void
answer_found(const Graph &graph, const Vectors &queries, size_t k, const char *path)
{
	FILE *out = fopen(path, "w");
	size_t lines = 0;

	if (out == nullptr)
		die(std::string("cannot write ") + path);
	for (size_t q = 0; q < queries.count(); q++)
	{
		auto found = graph.searchKnn(queries.row(q), k);

		for (; !found.empty(); found.pop(), lines++)
			fprintf(out, "%d\t%zu\n", queries.ids[q], found.top().second);
	}
	if (fclose(out) != 0)
		die(std::string("cannot write ") + path);
	printf("found %zu\n", lines);
}

/* Each thread starts at another query, so that they do not walk in step. */
void
answer_speed(const Graph &graph, const Vectors &queries, size_t k, int threads)
{
	double best = 0;

	for (int pass = 0; pass < SPEED_PASSES; pass++)
	{
		auto start = std::chrono::steady_clock::now();

		run_threads(threads,
					[&](int thread)
					{
						size_t first = queries.count() * thread / threads;

						for (size_t q = 0; q < queries.count(); q++)
							graph.searchKnn(queries.row((first + q) % queries.count()), k);
					});
		best = std::max(best, threads * queries.count() / seconds_since(start));
	}
	printf("speed %.1f\n", best);
}

void
answer_requests(Graph *graph, const Vectors &queries, size_t k)
{
	char line[4096], path[4096];
	size_t ef;
	int threads;

	while (fgets(line, sizeof(line), stdin) != nullptr)
	{
		if (sscanf(line, "found %zu %4095[^\n]", &ef, path) == 2)
		{
			graph->setEf(ef);
			answer_found(*graph, queries, k, path);
		}
		else if (sscanf(line, "speed %zu %d", &ef, &threads) == 2 && threads >= 1)
		{
			graph->setEf(ef);
			answer_speed(*graph, queries, k, threads);
		}
		else
			die(std::string("unknown request: ") + line);
		fflush(stdout);
	}
}

} /* namespace */

int
main(int argc, char **argv)
{
	Options options = parse_options(argc, argv);
	Vectors items = read_vectors(options.items);
	Vectors queries = read_vectors(options.queries);
	std::unique_ptr<hnswlib::SpaceInterface<float>> space;

	if (queries.dim != items.dim)
		die("items and queries differ in their dimension");
	if (options.space == "l2")
		space.reset(new hnswlib::L2Space(items.dim));
	else if (options.space == "ip" || options.space == "cosine")
		space.reset(new hnswlib::InnerProductSpace(items.dim));
	else
		die("no space " + options.space);
	if (options.space == "cosine")
	{
		normalise(&items);
		normalise(&queries);
	}

	Graph graph(space.get(), items.count(), options.m, options.ef_construction);
	auto start = std::chrono::steady_clock::now();

	build(&graph, items, options.threads);
	printf("built %.1f %.1f\n", seconds_since(start), memory_mb(graph));
	fflush(stdout);
	items = Vectors();
	answer_requests(&graph, queries, options.k);
	return 0;
}
