/*-------------------------------------------------------------------------
 *
 * overlay.c
 *	  Links that a merge has chosen and not written yet.
 *
 * Searches of the merge follow them as if they were written, so that vertices
 * of one batch find each other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "hnsw/merge.h"

/* What the overlay knows of a vertex */
typedef struct OverlayNode
{
	uint32 vertex;
	char status; /* of the hash table */
	int own;	 /* number in the batch, or -1 */
	int first;	 /* newest of the links back to be written, or -1 */
} OverlayNode;

#define SH_PREFIX overlay
#define SH_ELEMENT_TYPE OverlayNode
#define SH_KEY_TYPE uint32
#define SH_KEY vertex
#define SH_HASH_KEY(table, key) ((key) *0x9E3779B1u)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A link back to be written */
typedef struct OverlayLink
{
	uint32 newcomer;
	int layer;
	int next; /* of the same vertex, or -1 */
} OverlayLink;

struct HnswOverlay
{
	overlay_hash *nodes;
	OverlayLink *links;
	int nlinks;
	int capacity;
	MergeVertex *batch;
};

/* An empty overlay for the batch, in the batch's memory context */
HnswOverlay *
hnsw_overlay_create(const MergeState *state)
{
	HnswOverlay *overlay = MemoryContextAllocZero(state->context, sizeof(HnswOverlay));

	overlay->nodes = overlay_create(state->context, state->nvertices * 8 + 64, NULL);
	overlay->capacity = 64 + state->nvertices * 4;
	overlay->links =
		MemoryContextAllocHuge(state->context, overlay->capacity * sizeof(OverlayLink));
	overlay->batch = state->vertices;
	return overlay;
}

static OverlayNode *
overlay_node(HnswOverlay *overlay, uint32 vertex)
{
	bool found;
	OverlayNode *node = overlay_insert(overlay->nodes, vertex, &found);

	if (!found)
	{
		node->own = -1;
		node->first = -1;
	}
	return node;
}

/* Makes the links of vertex number `number` of the batch known to searches. */
void
hnsw_overlay_add(HnswOverlay *overlay, int number)
{
	MergeVertex *vertex = &overlay->batch[number];

	if (vertex->fate == MERGE_LINK)
		overlay_node(overlay, vertex->vertex)->own = number;
	for (int layer = 0; layer <= vertex->level; layer++)
	{
		for (int i = 0; i < vertex->nlinks[layer]; i++)
		{
			OverlayNode *node = overlay_node(overlay, vertex->links[layer][i]);
			OverlayLink *link;

			if (overlay->nlinks == overlay->capacity)
			{
				overlay->capacity *= 2;
				overlay->links =
					repalloc_huge(overlay->links, (Size) overlay->capacity * sizeof(OverlayLink));
			}
			link = &overlay->links[overlay->nlinks];
			link->newcomer = vertex->vertex;
			link->layer = layer;
			link->next = node->first;
			node->first = overlay->nlinks++;
		}
	}
}

/* Is the vertex one of the batch whose links are known? */
bool
hnsw_overlay_has(const HnswOverlay *overlay, uint32 vertex)
{
	const OverlayNode *node = overlay_lookup(overlay->nodes, vertex);

	return node != NULL && node->own >= 0;
}

/*
 * Completes the links of a vertex as they are on its page by those that are
 * still to be written.  links[] has room for HNSW_OVERLAY_LINKS more than a
 * page's list.  Returns how many there are.
 */
int
hnsw_overlay_links(const HnswOverlay *overlay, uint32 vertex, int layer, uint32 *links, int nlinks)
{
	OverlayNode *node = overlay_lookup(overlay->nodes, vertex);
	int limit;

	if (node == NULL)
		return nlinks;
	if (node->own >= 0)
	{
		MergeVertex *own = &overlay->batch[node->own];

		nlinks = layer <= own->level ? own->nlinks[layer] : 0;
		if (nlinks > 0)
			memcpy(links, own->links[layer], nlinks * sizeof(uint32));
	}
	limit = nlinks + HNSW_OVERLAY_LINKS;
	for (int i = node->first; i >= 0 && nlinks < limit; i = overlay->links[i].next)
	{
		if (overlay->links[i].layer == layer)
			links[nlinks++] = overlay->links[i].newcomer;
	}
	return nlinks;
}
