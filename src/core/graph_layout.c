/*-------------------------------------------------------------------------
 *
 * graph_layout.c
 *	  The order in which vertices lie on pages.
 *
 *-------------------------------------------------------------------------
 */
#include "core/graph_internal.h"

#include <string.h>

/* Puts the vertices above layer 0 first, from the highest level down. */
static uint32_t
place_upper(const Graph *graph, uint32_t *order)
{
	uint32_t n = 0;

	for (int level = graph->top_level; level > 0; level--)
	{
		for (uint32_t v = 0; v < graph->nvertices; v++)
		{
			if (graph->levels[v] == level)
				order[n++] = v;
		}
	}
	return n;
}

void
graph_layout_order(const Graph *graph, uint32_t *order)
{
	uint32_t *placed = graph->parents; /* not needed any more once the graph is finished */
	uint32_t n = place_upper(graph, order);

	if (n == 0 && graph->nvertices > 0)
		order[n++] = graph->entry; /* a small graph may have no upper layer */
	memset(placed, 0, graph->nvertices * sizeof(uint32_t));
	for (uint32_t i = 0; i < n; i++)
		placed[order[i]] = 1;
	for (uint32_t i = 0; i < n; i++)
	{
		const GraphList *list = graph_list(graph, order[i], 0);

		for (int j = 0; j < list->count; j++)
		{
			uint32_t next = list->ids[j];

			if (!placed[next])
			{
				placed[next] = 1;
				order[n++] = next;
			}
		}
	}
}
