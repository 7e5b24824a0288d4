/*-------------------------------------------------------------------------
 *
 * frontier.h
 *	  Ids a search has come across, with estimated keys, and the nearest of
 *	  those that are still to be expanded.
 *
 * The same id is estimated again and again, each time with another error; its
 * key is the mean of the estimates, weighted by their precision (one over the
 * square of the error's size).  Two thirds of the expansions of a search by
 * the first estimates reach the same recall so.
 *
 * Ids are numbered as they come (their `place`), keys lie in an array by place.
 * A hash table finds the place of an id.  Above the keys stands a tree of lower
 * bounds, one for each FRONTIER_FAN below it, in which the nearest is found: a
 * key that falls lowers its bounds at once, one that rises leaves them, and
 * they are mended when the search for the nearest comes across them.
 *
 * The caller owns the memory and provides more when frontier_has_room() is false.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_FRONTIER_H
#define ANN_FRONTIER_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRONTIER_FAN 64
#define FRONTIER_MAX_LEVELS 5

/* Estimates that frontier_estimate_lanes() takes at a time */
#define FRONTIER_LANES 32

/* No place */
#define FRONTIER_NONE UINT32_MAX

/* Weight of a key that is exact, and the largest: estimates change nothing any more */
#define FRONTIER_EXACT 1e30f

/* Keys above it, or below its negative, count as that: differences stay finite */
#define FRONTIER_MAX_KEY (FLT_MAX / 2)

/* Of the hash table: an id and its place + 1, with a flag once expanded, or 0 */
typedef struct FrontierSlot
{
	uint32_t id;
	uint32_t number;
} FrontierSlot;

typedef struct Frontier
{
	uint32_t count;
	uint32_t capacity;
	uint32_t mask;	/* slots of the hash table less one */
	uint32_t shift; /* of a hash of 32 bits to a slot */
	int nlevels;	/* of bounds */
	uint32_t *ids;
	float *keys;						/* INFINITY once expanded */
	float *weights;						/* of the key so far; INFINITY: exact */
	float *bounds[FRONTIER_MAX_LEVELS]; /* lowest level first */
	FrontierSlot *slots;
} Frontier;

/*
 * Bytes of memory for so many ids, a power of two from FRONTIER_FAN to 2^30.
 */
extern size_t frontier_size(uint32_t capacity);

/* An empty frontier in memory of frontier_size(capacity) bytes */
extern void frontier_init(Frontier *frontier, void *memory, uint32_t capacity);

/* Empties it. */
extern void frontier_clear(Frontier *frontier);

/* Is there room for n further ids? */
static inline bool
frontier_has_room(const Frontier *frontier, uint32_t n)
{
	return frontier->count + n <= frontier->capacity;
}

/* Moves it to new memory of a larger capacity; the caller frees the old. */
extern void frontier_grow(Frontier *frontier, void *memory, uint32_t capacity);

/*
 * Takes in an estimate of the key of an id, with its weight, more than 0 and at
 * most FRONTIER_EXACT: a new id, which there must be room for, or one that has
 * been estimated before.  Nothing happens if it has been expanded.
 */
extern void frontier_estimate(Frontier *frontier, uint32_t id, float key, float weight);

/*
 * The same for every lane of three arrays whose bit is set in `lanes`; their
 * ids differ.
 */
extern void frontier_estimate_lanes(Frontier *frontier, const uint32_t *ids, const float *keys,
									const float *weights, uint32_t lanes);

/*
 * Marks an id as expanded, which adds it if it is new.  False if it was
 * expanded already.
 */
extern bool frontier_expand(Frontier *frontier, uint32_t id);

/* Has the id been estimated or expanded? */
extern bool frontier_knows(const Frontier *frontier, uint32_t id);

/* The place of the nearest id that is not expanded (the first of equals), or FRONTIER_NONE */
extern uint32_t frontier_nearest(Frontier *frontier);

#endif /* ANN_FRONTIER_H */
