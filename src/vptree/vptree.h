/*-------------------------------------------------------------------------
 *
 * vptree.h
 *	  The vptree access method: what is on disk, and what its files share.
 *
 * A binary tree (core/tree.h).  Inner nodes are items on node pages, several
 * levels of the tree to a page; they are never moved, only their child pointers
 * change, and the place of one that has gone is used again.  Leaves are buckets
 * (storage/bucket.h) whose entries
 * carry the distances to the pivots above them, from the nearest upwards.
 *
 * src/vptree/README describes the algorithms, locking and WAL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_VPTREE_H
#define ANN_VPTREE_H

#include "postgres.h"

#include "access/build.h"
#include "access/compat.h"
#include "access/cost.h"
#include "access/index_space.h"
#include "access/insert.h"
#include "access/inspect.h"
#include "access/method.h"
#include "access/scan_loop.h"
#include "access/vacuum.h"
#include "core/random.h"
#include "core/tree.h"
#include "core/tree_prune.h"
#include "core/tree_tune.h"
#include "storage/bucket.h"
#include "storage/damage.h"
#include "storage/meta.h"
#include "storage/page_change.h"
#include "storage/value_pages.h"

/* Build options (WITH).  Names and defaults are NMSLIB's, in snake case. */
#define VPTREE_AUTO_BUCKET_SIZE 0 /* as many as fill a page, or pages, nearest to: */
#define VPTREE_AUTO_BUCKET 50
#define VPTREE_MAX_BUCKET_SIZE 10000
#define VPTREE_DEFAULT_PATH_LENGTH 8
#define VPTREE_DEFAULT_NUM_PIVOT 32
#define VPTREE_MAX_NUM_PIVOT 64
#define VPTREE_NO_LEAF_LIMIT INT_MAX

/* Share of bucket_size that a build fills */
#define VPTREE_BUILD_FILL 0.85

/* Buckets that become others together, at most (rebuild.c) */
#define VPTREE_MAX_GROUP 8

/* Retired buckets that rest before their pages are used again, at most (resting.c) */
#define VPTREE_MAX_RESTING 64

/* Pages that the pivots of the pivot table take, at most */
#define VPTREE_PIVOT_PAGES 64
#define VPTREE_PIVOT_ROOM ((Size) VPTREE_PIVOT_PAGES * VALUE_PAGES_PIECE)

/* Bytes that an entry's distances to so many pivots take: what is compared at once fits in */
#define VPTREE_CODES_SIZE(num_pivot) TYPEALIGN(16, num_pivot)

/*
 * Where a subtree is: a node (block and offset of its item) or a bucket (block of
 * its head; offset is InvalidOffsetNumber).  The number counts the uses that this
 * place has had: by it one notices that something else is there by now.
 */
typedef struct VptreeChild
{
	BlockNumber block; /* InvalidBlockNumber: there is nothing */
	OffsetNumber offset;
	uint16 number; /* of the head, or VPTREE_NODE_NUMBER() */
} VptreeChild;

static inline bool
vptree_child_is_bucket(const VptreeChild *child)
{
	return child->offset == InvalidOffsetNumber;
}

static inline bool
vptree_is_same_child(const VptreeChild *a, const VptreeChild *b)
{
	return a->block == b->block && a->offset == b->offset && a->number == b->number;
}

/* An item of a node page */
typedef struct VptreeNodeData
{
	VptreeChild left;
	VptreeChild right;
	double radius;	   /* core/tree.h */
	uint16 dimension;  /* TREE_KD */
	uint16 flags;	   /* VPTREE_NODE_DEAD, and VPTREE_NODE_NUMBER() */
	uint32 value_size; /* TREE_VP: bytes of the pivot, which follows (at VPTREE_NODE_VALUE), or the
						* numbers of its value pages if it is more than BUCKET_MAX_INLINE_VALUE */
} VptreeNodeData;

typedef VptreeNodeData *VptreeNode;

/*
 * The tree no longer leads to it: scans that began before may still come to it, or another takes
 * its place.
 */
#define VPTREE_NODE_DEAD 0x0001

/* How often the place of a node has been used again: 15 bits, after which it begins anew */
#define VPTREE_NODE_NUMBER(node) ((uint16) ((node)->flags >> 1))
#define VPTREE_NODE_FLAGS(number) ((uint16) ((number) << 1))

#define VPTREE_NODE_VALUE(node) ((char *) (node) + MAXALIGN(sizeof(VptreeNodeData)))

/* Bytes of a node whose pivot has so many */
static inline Size
vptree_node_size(Size value_size)
{
	return MAXALIGN(sizeof(VptreeNodeData)) + bucket_inline_size(value_size);
}

/* The work of a query, a mean */
typedef struct VptreeProbe
{
	double distances;
	double compared; /* entries whose distances to pivots were compared with the query's */
} VptreeProbe;

/* The metapage */
typedef struct VptreeMeta
{
	MetaHeader header;
	uint16 partition;	/* TreePartition */
	uint16 path_length; /* 0 where pruning is not by the triangle inequality */
	uint32 bucket_size; /* entries in a bucket, at most; 0 while dimensions are unknown */
	uint64 seed;
	VptreeChild root;		/* nothing: the index is empty */
	BlockNumber node_block; /* node page that takes new nodes, or InvalidBlockNumber */
	BlockNumber free_pages; /* head of the chain of free pages */
	uint32 retired;			/* buckets that are to be freed */
	uint32 nodes;			/* inner nodes and buckets */
	uint32 buckets;
	uint16 max_depth; /* nodes above a bucket, at most */
	uint16 tuned;	  /* the following are from a tuning */
	TreePruner pruner;
	double tuned_recall;
	double tuned_improvement;
	double tune_r;
	uint32 tune_k;
	uint32 settled;		/* buckets after the build, or the last vacuum */
	double entries;		/* of the build */
	VptreeProbe few;	/* what a query of VPTREE_PROBE_FEW rows takes (probe.c); 0: unknown */
	VptreeProbe more;	/* of VPTREE_PROBE_MORE rows */
	double shift;		/* added to distances that may be negative, for pruning (index.c) */
	uint32 num_pivot;	/* of the pivot table (pivot_table.c); 0: there is none */
	uint32 pivots_size; /* bytes of the table's pivots, where they vary in size */
	BlockNumber pivot_pages[VPTREE_PIVOT_PAGES]; /* value pages, with the pivots as one value */
	double pivot_unit;							 /* of the distances to them that entries have */
	uint32 met_dead;		/* inserts have met dead rows since the build, or the last vacuum */
	uint32 most_buckets;	/* that there have been since the build */
	VptreeChild rebuilding; /* root of a subtree that is flattened (flatten.c), or nothing */
	uint16 oldest;			/* of the following: a ring */
	uint16 nresting;		/* how many; retired buckets that a crash has left are not among them */
	BlockNumber resting[VPTREE_MAX_RESTING]; /* heads of retired buckets */
	uint32
		rebuilt; /* the tree no longer leads to `rebuilding`, but some of its buckets are not retired yet */
} VptreeMeta;

#define VPTREE_FREE_PAGES offsetof(VptreeMeta, free_pages)

/* Relation options.  Not set: NAN; exponents of sides -1; max_leaves_to_visit and tune_k 0 */
typedef struct VptreeOptions
{
	int32 vl_len_;
	int bucket_size;
	int partition; /* TreePartition */
	int path_length;
	int num_pivot;
	double alpha_left;
	double alpha_right;
	int exp_left;
	int exp_right;
	double alpha_pivot;
	double exp_pivot;
	int max_leaves_to_visit;
	double desired_recall;
	int tune_k;
	double tune_r;
	int tune_qty;
	int min_exp;
	int max_exp;
	int tune_metric; /* TreeTuneMetric */
	int max_iter;
	int max_rec_depth;
	int step_n;
	int add_restart_qty;
	double full_factor;
} VptreeOptions;

/* An open index: its metapage as last read, and what follows from that */
typedef struct VptreeIndex
{
	Relation relation;
	IndexSpace space;
	VptreeMeta meta;
	BucketShape shape;
	TreeDistance distance; /* whose context is this VptreeIndex: it must stay where it is */
	bool exact;			   /* bounds of distances hold for all rows: nothing is lost by pruning */
	SpaceContext measure;  /* by which values are compared with the pivots of the pivot table */
	bool building;		   /* pages are not logged one by one */
	const void **pivots;   /* of the pivot table, once they are loaded */
} VptreeIndex;

/* index.c: opening an index, nodes, distances */

/* An error if the index's space cannot have the partition that is asked for. */
extern void vptree_check_partition(const IndexSpace *space, const VptreeOptions *options);
extern void vptree_meta_init(VptreeIndex *index, const VptreeOptions *options);

/* Sets the dimensions, now that they are known, and what follows from them in the metapage. */
extern void vptree_set_geometry(VptreeIndex *index, const VptreeOptions *options);

/* Makes an index ready for use; and reads its metapage again.  An error if that cannot be. */
extern void vptree_open(VptreeIndex *index, Relation relation);
extern void vptree_read_meta(VptreeIndex *index);

/* Sets what follows from the metapage and the space, whose dimensions are known. */
extern void vptree_use_meta(VptreeIndex *index);
extern void vptree_init_distance(VptreeIndex *index);

/* Changes the metapage, in a record of its own. */
extern void vptree_change_meta(VptreeIndex *index, MetaChange change_meta);

/*
 * VPTREE_SPLIT_LOCK: splits share it, vacuum excludes them.  It is a heavyweight lock of a part of
 * the index that there is not, rather than one of a page: with that no other one may be taken, and
 * nobody notices a deadlock.
 */
#define VPTREE_SPLIT_LOCK PG_UINT16_MAX

extern void vptree_lock_splits(Relation relation, LOCKMODE mode);
extern bool vptree_try_lock_splits(Relation relation, LOCKMODE mode);
extern void vptree_unlock_splits(Relation relation, LOCKMODE mode);

/*
 * The node of a child, on its page locked in share mode; NULL, with nothing locked, if its place
 * has been used for another one.  An error if there is no node.
 */
extern VptreeNode vptree_lock_node(VptreeIndex *index, const VptreeChild *child, Buffer *buffer);

/* The same where the page is locked already; it is released if NULL is returned. */
extern VptreeNode vptree_check_node(VptreeIndex *index, const VptreeChild *child, Buffer *buffer);

/* The same on a page, or a copy of it, that the caller has locked; the node is certain to be there. */
extern VptreeNode vptree_page_node(VptreeIndex *index, Page page, const VptreeChild *child);

/* The node at an offset of a page, or NULL if what is there cannot be one */
extern VptreeNode vptree_find_node(const VptreeIndex *index, Page page, OffsetNumber offset);

/* Raise errors: the index is damaged. */
extern void vptree_report_lost(const VptreeIndex *index, const VptreeChild *child);
extern void vptree_report_circle(const VptreeIndex *index);

/*
 * The pivot of a node, whose page is locked, or which is a copy where distances call back; and
 * the value of an entry.  scratch: encoded_size bytes
 */
extern const void *vptree_node_pivot(VptreeIndex *index, VptreeNode node, char *scratch);
extern const void *vptree_entry_value(VptreeIndex *index, BucketEntry entry, char *scratch);

/*
 * Copies a node, whose page is locked, with the whole of its pivot to memory of vptree_copy_room()
 * bytes, for when its page is not locked.
 */
extern Size vptree_copy_room(const VptreeIndex *index);
extern VptreeNode vptree_copy_node(const VptreeIndex *index, VptreeNode node, VptreeNode copy);

/* May distances not be computed while a page is locked? */
static inline bool
vptree_calls_back(const VptreeIndex *index)
{
	return index->space.context.space->calls_back;
}

/*
 * d(pivot, x), the pivot as the object and x as the query, as a distance to prune by;
 * query is the query form of x.
 */
extern double vptree_pivot_distance(const VptreeIndex *index, const void *pivot, const void *query);

/*
 * Does a value at distance x from a node's pivot go left?  Where it may go either
 * way, chance decides, so that the rows of one value do not all go the same one;
 * *chance is another one afterwards.
 */
static inline bool
vptree_goes_left(double x, double radius, uint64 *chance)
{
	*chance = random_hash(*chance);
	return x < radius || (x == radius && (*chance & 1) != 0);
}

/*
 * A distance to prune by that was computed, maybe stored as a float, differs by no
 * more than this from the true one; 0 where pruning is approximate, or by coordinates.
 */
extern double vptree_distance_error(const VptreeIndex *index, double distance);

/*
 * Where pruning is approximate: chooses the shift that makes distances among these
 * values no less than 0, most likely.
 */
extern void vptree_choose_shift(VptreeIndex *index, const GraphValues *values, uint32 nvalues);

/*
 * An entry's extra bytes: path_length distances to the pivots of the nodes above it,
 * and its distances to those of the pivot table.
 */
#define VPTREE_MAX_EXTRA (TREE_MAX_PATH * sizeof(float) + VPTREE_CODES_SIZE(VPTREE_MAX_NUM_PIVOT))

static inline TreePivotScale
vptree_pivot_scale(const VptreeMeta *meta)
{
	return (TreePivotScale){.npivots = meta->num_pivot, .unit = meta->pivot_unit};
}

static inline Size
vptree_extra_size(const VptreeMeta *meta)
{
	return meta->path_length * sizeof(float) + VPTREE_CODES_SIZE(meta->num_pivot);
}

static inline uint8 *
vptree_extra_codes(const VptreeMeta *meta, void *extra)
{
	return (uint8 *) extra + meta->path_length * sizeof(float);
}

/* pivot_table.c */

/* Decides how many pivots a table will have, as far as the space makes use of it. */
extern void vptree_plan_pivots(VptreeIndex *index, const VptreeOptions *options);

/*
 * Chooses the pivots among some values and writes them to the index that is being built;
 * they are loaded into memory of the context.
 */
extern void vptree_choose_pivots(VptreeIndex *index, const GraphValues *values, uint32 nvalues,
								 MemoryContext context);

/*
 * Bytes of all pivots on their pages; and makes the index use them where they lie in memory:
 * false if they are damaged.
 */
extern Size vptree_pivots_size(const VptreeIndex *index);
extern bool vptree_use_pivots(VptreeIndex *index, const char *memory, MemoryContext context);

/* Reads the pivots, if there are any, into memory of the context. */
extern void vptree_load_pivots(VptreeIndex *index, MemoryContext context);

/* The keys of a query and all pivots, which are loaded; and what an entry has of such keys */
extern void vptree_pivot_keys(const VptreeIndex *index, const void *query, float *keys);
extern void vptree_pivot_codes(const VptreeIndex *index, const float *keys, uint8 *codes);

/* Both in one; does nothing if there is no table.  May be called from any thread. */
extern void vptree_code_value(const VptreeIndex *index, const void *query, uint8 *codes);

/* handler.c */
extern const AccessMethod vptree_method;

/* build.c */
extern const BuildMethod vptree_build_method;
extern char *vptree_build_phase_name(int64 phase);

/* write.c: trees from memory to pages; used by builds and by splits */

/* A tree that is on pages */
typedef struct VptreeSubtree
{
	VptreeChild root;
	uint32 nodes;
	uint32 buckets;
	uint32 depth; /* nodes above a bucket, at most */
} VptreeSubtree;

/* What the items of a tree are on pages, by their place in Tree.items */
typedef struct VptreeEntries
{
	const GraphValues *values;
	void *arg;

	/* Gives the TIDs of an item; returns how many, 1 to BUCKET_MAX_TIDS.  Places come in order. */
	int (*tids)(void *arg, uint32 place, ItemPointerData *tids);

	/* Gives its distances to the n nearest pivots above the tree, of nabove, from the nearest upwards. */
	const float *(*above)(void *arg, uint32 place, int n);
	int nabove;

	/* Gives its distances to the pivots of the pivot table, if there is one. */
	void (*codes)(void *arg, uint32 place, uint8 *codes);
} VptreeEntries;

/* Writes the nodes of a tree above what its leaves stand for: buckets, or other trees. */
extern VptreeSubtree vptree_write_nodes(VptreeIndex *index, const Tree *tree,
										const GraphValues *values, const VptreeSubtree *leaves);

/*
 * Writes the leaves as buckets, then the nodes, outside a build preferably to the page of nodes
 * `near`.  They are not counted in index->meta.
 */
extern VptreeSubtree vptree_write_tree(VptreeIndex *index, const Tree *tree,
									   const VptreeEntries *entries, BlockNumber near);

/* A node on a way down, and which side of it the way takes */
typedef struct VptreeStep
{
	VptreeChild node;
	bool left;
} VptreeStep;

/* rebuild.c: a small subtree becomes another one */

typedef struct VptreeGroupBucket
{
	VptreeChild bucket;
	uint32 above; /* nodes of the group above it */
	Buffer head;  /* locked exclusively, if it is valid */
	uint32 pages;
} VptreeGroupBucket;

/*
 * The buckets of a subtree, and the nodes above them: VPTREE_MAX_GROUP of each at most, but of one
 * that is flattened
 */
typedef struct VptreeGroup
{
	VptreeIndex *index;
	const VptreeStep *steps; /* the nodes above the subtree, from the root on */
	uint32 depth;			 /* how many */
	VptreeChild root;
	VptreeChild *nodes; /* palloc'ed */
	uint32 nnodes;
	VptreeGroupBucket *buckets;
	uint32 nbuckets;
	uint32 capacity; /* of both */
	uint32 nentries; /* in those that are locked */
} VptreeGroup;

/* Begins a group without buckets below so many nodes. */
extern void vptree_group_init(VptreeGroup *group, VptreeIndex *index, const VptreeStep *steps,
							  uint32 depth, VptreeChild root, uint32 capacity);

/* Buckets that a group of this index has, at most */
extern uint32 vptree_group_limit(const VptreeIndex *index);

/*
 * Adds what is below a child, with so many nodes of the group above it.  False: there are too many
 * buckets, or something has changed meanwhile.
 */
extern bool vptree_group_add(VptreeGroup *group, VptreeChild child, uint32 above);

/*
 * Locks the heads of buckets from one of them on, waiting for each or not, and counts what is in
 * them.  False, with none of them locked: a bucket was locked by somebody else, or has gone.
 */
extern bool vptree_group_lock(VptreeGroup *group, uint32 first, bool wait);
extern void vptree_group_unlock(VptreeGroup *group, uint32 first);

/* The pages that so many entries take in so many equally full buckets */
extern uint32 vptree_pages_of(const VptreeIndex *index, uint32 nentries, uint32 nbuckets);

/*
 * Replaces the subtree by one of so many leaves; all heads are locked, and released.  The caller
 * has VPTREE_SPLIT_LOCK.  Returns the new subtree's root.  Where distances call back: one leaf.
 */
extern VptreeChild vptree_rebuild(VptreeGroup *group, uint32 nleaves);

/*
 * The same in steps.  Where distances call back nothing may be locked while the tree is computed:
 * then the heads, and VPTREE_SPLIT_LOCK, are to be released before that and locked again, and
 * the tree is good for nothing unless the buckets have the same entries as when they were copied.
 */
typedef struct VptreeRebuild VptreeRebuild;
extern VptreeRebuild *vptree_rebuild_copy(VptreeGroup *group);
extern uint32 vptree_rebuild_leaves(const VptreeRebuild *rebuild); /* as many as a build makes */
extern void vptree_rebuild_compute(VptreeRebuild *rebuild, uint32 nleaves);
extern bool vptree_rebuild_is_current(VptreeRebuild *rebuild);
extern VptreeChild vptree_rebuild_replace(VptreeRebuild *rebuild);
extern void vptree_rebuild_free(VptreeRebuild *rebuild);

/*
 * The last step where no head is locked, but nobody changes the group, as meta.rebuilding is its
 * root: that is over then, and the buckets have been given back.
 */
extern void vptree_rebuild_replace_closed(VptreeRebuild *rebuild);
extern void vptree_end_rebuilding(void *meta); /* a MetaChange */

/* resting.c: retired buckets */

/*
 * Adds the heads of a group to those that rest, in a copy of the metapage, and counts them as
 * retired; if there is no room for all, vacuum has to look for the others.
 */
extern void vptree_retire(VptreeMeta *meta, const VptreeGroup *group);

/* Gives back the oldest ones but for as many as may rest in an index of this size; or all. */
extern void vptree_trim_resting(VptreeIndex *index);
extern uint32 vptree_free_resting(VptreeIndex *index);

/* Gives back a retired one that does not rest. */
extern void vptree_free_retired(VptreeIndex *index, BlockNumber head);

/* dead.c */

/*
 * Removes rows from a bucket of which the table shows that they are dead, and notes that there were
 * some.  The caller has VPTREE_SPLIT_LOCK, and no page locked.
 */
extern void vptree_remove_dead(VptreeIndex *index, Relation heap, const VptreeChild *bucket);

/* insert.c, split.c */
extern const InsertMethod vptree_insert_method;

/* Where a value belongs: the bucket that a descent has come to */
typedef struct VptreePlace
{
	VptreeChild bucket;
	VptreeStep *steps; /* the nodes above it, from the root on */
	uint32 depth;	   /* how many */
	uint32 capacity;
	float path[TREE_MAX_PATH]; /* distances to the pivots of the nearest ones, upwards */
} VptreePlace;

/*
 * Makes room where a bucket is full, unless somebody else has done so.  False: it has to grow,
 * as vacuum is at work, or others add to it all the time.
 */
extern bool vptree_make_room(VptreeIndex *index, Relation heap, const VptreePlace *place);

/* flatten.c: subtrees that have become too deep */

/* Builds a subtree above a place anew, if the place is too deep and nobody is at work there. */
extern void vptree_flatten(VptreeIndex *index, const VptreePlace *place);

/*
 * Is the place, whose bucket is locked, in a subtree that is flattened?  Then nobody may add to
 * it without VPTREE_SPLIT_LOCK.
 */
extern bool vptree_is_flattened(VptreeIndex *index, const VptreePlace *place);

/* merge.c */

/*
 * Packs the buckets of small subtrees that take fewer pages so.  The caller has
 * VPTREE_SPLIT_LOCK exclusively.
 */
extern void vptree_merge_buckets(VptreeIndex *index);

/* lost.c: pages that nothing leads to */

/* What vacuum has come by on all pages */
typedef struct VptreePageCounts
{
	XLogRecPtr begin; /* where WAL ended before */
	uint64 heads;	  /* first pages of buckets, */
	uint64 further;	  /* others, */
	uint64 links;	  /* and pointers to these */
	uint64 values;	  /* value pages, */
	uint64 owned;	  /* and pointers to these in entries and nodes */
	uint64 nodes;	  /* that are not marked as dead */
	uint64 useless;	  /* pages that were never written, or never used */
} VptreePageCounts;

extern void vptree_count_page(VptreeIndex *index, BlockNumber block, BufferAccessStrategy strategy,
							  VptreePageCounts *counts);

/* Is that more than the metapage, which has been read since, knows of? */
extern bool vptree_has_lost_pages(const VptreeIndex *index, const VptreePageCounts *counts);

/*
 * Gives back what nothing leads to; returns the number of pages.  The caller has VPTREE_SPLIT_LOCK
 * exclusively, no bucket is retired, and the metapage has been read.
 */
extern uint32 vptree_free_lost_pages(VptreeIndex *index);

/* scan.c */
extern const ScanMethod vptree_scan_method;

/* vacuum.c.  While it removes dead rows no bucket is split (README, "Vacuum"). */
extern const VacuumMethod vptree_vacuum_method;

/* tune.c */

/* An error if the options ask for a tuning that there is not. */
extern void vptree_check_tuning(const VptreeOptions *options);

/*
 * Tunes, if the options ask for it: sets the pruner in the metapage.  The values are
 * all those of the index, meta.entries in number, or a random sample.
 */
extern void vptree_tune_build(VptreeIndex *index, const GraphValues *values, uint32 nvalues);

/* options.c */
extern void vptree_init_options(void);
extern bytea *vptree_options(Datum reloptions, bool validate);
extern const VptreeOptions *vptree_get_options(Relation relation);

/* Options as vptree_options() returns them: NULL stands for the defaults. */
extern const VptreeOptions *vptree_options_of(const bytea *options);

/*
 * The pruner of a scan: settings, else options, else what was tuned, else the triangle
 * inequality.  What was tuned for entries goes with what was tuned for nodes, and is not
 * used where somebody has chosen another rule for these.
 */
extern TreePruner vptree_pruner(Relation relation, const VptreeMeta *meta);
extern int vptree_max_leaves(Relation relation);

extern ScanSettings vptree_scan_settings;

/* info.c, check.c, estimate.c */
extern void vptree_info(Relation relation, InfoReport *report);
extern bool vptree_check_meta(CheckState *check);
extern void vptree_check(CheckState *check);
extern BlockNumber vptree_name_owner(CheckState *check, uint32 owner, char *name);
extern const char *vptree_stored_value(CheckState *check, uint32 owner, Size *size);
extern void vptree_estimate(const EstimateInput *input, EstimateResult *result);

/*
 * probe.c: searches the index, which is complete but for the metapage, from some of
 * its values, and sets what index->meta says of them.
 */
#define VPTREE_PROBE_FEW 10
#define VPTREE_PROBE_MORE 100
extern void vptree_probe(VptreeIndex *index, const GraphValues *values, uint32 nvalues);

/* cost.c */
extern const CostMethod vptree_cost_method;

#endif /* ANN_VPTREE_H */
