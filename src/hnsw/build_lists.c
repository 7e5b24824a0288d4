/*-------------------------------------------------------------------------
 *
 * build_lists.c
 *	  Joins the lists that a vertex got in two parts.
 *
 * Threads do this, so nothing here calls into the server.  README has the rules
 * by which neighbours are kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "hnsw/parts.h"

/* Neighbours in two lists at most */
#define MAX_JOINED (2 * 3 * HNSW_MAX_M)

/* A neighbour while lists are joined */
typedef struct Joined
{
	PartLink link;
	bool both; /* it was in two lists */
} Joined;

/* How much a neighbour is wanted, the most first */
typedef enum Wanted
{
	WANTED_TREE,	/* an edge of the tree of anchors */
	WANTED_DIVERSE, /* the heuristic kept it wherever it was seen */
	WANTED_NEAR,
	NWANTED
} Wanted;

uint32
hnsw_joined_anchor(const PartList *own, const PartList *other)
{
	if (other == NULL || other->anchor == NO_NUMBER)
		return own->anchor;
	if (own->anchor == NO_NUMBER || other->rank < own->rank)
		return other->anchor;
	return own->anchor;
}

/*
 * Notes that a link is in a second list, too, if its neighbour is among the n joined so
 * far, which ascend by distance to that of the link.
 */
static bool
note_both(Joined *joined, int n, const PartLink *link)
{
	for (int i = n - 1; i >= 0 && joined[i].link.key == link->key; i--)
	{
		uint32 *flags = &joined[i].link.flags;

		if (joined[i].link.number != link->number)
			continue;
		*flags = ((*flags | link->flags) & ~LINK_DIVERSE) | (*flags & link->flags & LINK_DIVERSE);
		joined[i].both = true;
		return true;
	}
	return false;
}

/*
 * Merges two lists, both ascending by distance; of neighbours at the same distance
 * those of `own` come first.  Returns how many there are.
 */
static int
merge_lists(const PartList *own, const PartList *other, Joined *joined)
{
	const PartLink *link = (const PartLink *) (own + 1);
	const PartLink *end = link + own->nlinks;
	const PartLink *other_link = (const PartLink *) (other + 1);
	int n = 0;

	for (uint32 i = 0; i < other->nlinks; i++)
	{
		while (link < end && !(link->key > other_link[i].key))
			joined[n++] = (Joined){.link = *link++};
		if (!note_both(joined, n, &other_link[i]))
			joined[n++] = (Joined){.link = other_link[i]};
	}
	while (link < end)
		joined[n++] = (Joined){.link = *link++};
	return n;
}

/*
 * How much a neighbour is wanted.  One that is in both parts but was kept in one
 * of them only was turned down in the other.  No branches: they would be mispredicted.
 */
static Wanted
rank_neighbor(const Joined *joined, bool two)
{
	uint32 flags = joined->link.flags;
	bool diverse = (flags & LINK_DIVERSE) != 0;
	bool turned_down = two & ((flags & LINK_SHARED) != 0) & !joined->both;
	Wanted rank = WANTED_NEAR - (diverse & !turned_down);

	return (flags & LINK_TREE) != 0 ? WANTED_TREE : rank;
}

/*
 * Ranks n neighbours, and shares out a list of `limit` among the ranks: room[] gets
 * how many of each may be kept, the nearest of them.
 */
static void
rank_neighbors(const Joined *joined, int n, bool two, int limit, uint8 *ranks, int *room)
{
	memset(room, 0, NWANTED * sizeof(int));
	for (int i = 0; i < n; i++)
	{
		ranks[i] = rank_neighbor(&joined[i], two);
		room[ranks[i]]++;
	}
	for (int rank = 0; rank < NWANTED; rank++)
	{
		room[rank] = Min(room[rank], limit);
		limit -= room[rank];
	}
}

static void
put_anchor_first(uint32 *numbers, int n, uint32 anchor)
{
	for (int i = 0; i < n; i++)
	{
		if (numbers[i] != anchor)
			continue;
		memmove(&numbers[1], &numbers[0], i * sizeof(uint32));
		numbers[0] = anchor;
		break;
	}
}

int
hnsw_join_lists(const PartList *own, const PartList *other, int limit, uint32 *numbers)
{
	static const PartList none;
	Joined joined[MAX_JOINED];
	uint8 ranks[MAX_JOINED];
	uint32 kept[MAX_JOINED]; /* and behind those the last one that was not */
	int room[NWANTED];
	int n = merge_lists(own, other != NULL ? other : &none, joined);
	int nkept = 0;

	rank_neighbors(joined, n, other != NULL, limit, ranks, room);
	for (int i = 0; i < n; i++)
	{
		kept[nkept] = joined[i].link.number;
		nkept += room[ranks[i]]-- > 0;
	}
	memcpy(numbers, kept, nkept * sizeof(uint32));
	put_anchor_first(numbers, nkept, hnsw_joined_anchor(own, other));
	return nkept;
}
