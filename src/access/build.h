/*-------------------------------------------------------------------------
 *
 * build.h
 *	  The frame of every CREATE INDEX: rows are read into memory or, if they do
 *	  not fit, handed over one by one; the method makes the index of them; the
 *	  finished index is logged as a whole.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_BUILD_H
#define ANN_BUILD_H

#include "postgres.h"

#include "access/genam.h"
#include "nodes/execnodes.h"

#include "access/build_rows.h"
#include "access/row_spool.h"

/* Phases of pg_stat_progress_create_index; 1 is the server's own.  The method names its own. */
#define BUILD_PHASE_LOAD 2
#define BUILD_PHASE_STRUCTURE 3 /* the method's own: building its graph, its tree */
#define BUILD_PHASE_WRITE 4
#define BUILD_PHASE_PARTITION 5
#define BUILD_PHASE_TUNE 6
#define BUILD_PHASE_CODE 7

typedef struct Build Build;

/* What an access method does in a build */
typedef struct BuildMethod
{
	Size state_size; /* of its state, which begins with a Build; zero but for that at first */

	/*
	 * Checks the options, and calls build_describe(), for a build or for the metapage of an
	 * empty index.
	 */
	void (*begin)(Build *build);

	/* All rows are in memory, grouped by value: makes the index of them. */
	void (*build)(Build *build, BuildRows *rows);

	/*
	 * Not all rows fit memory: gets ready to see them.  Memory of the current context lasts until
	 * build_spooled() has returned, which is called in the same one.  May be NULL.
	 */
	void (*begin_spool)(Build *build);

	/* Looks at the encoded value of a row on its way to the file.  May be NULL. */
	void (*see_spooled)(Build *build, const void *encoded);

	/* That was the last of them: makes the index of the rows in the file, and closes that. */
	void (*build_spooled)(Build *build, RowSpool *rows);

	/* Frees what is not palloc'ed.  Called at the end of the build, after an error too. */
	void (*release)(Build *build);
} BuildMethod;

struct Build
{
	const BuildMethod *method;
	Relation heap; /* NULL for the metapage of an empty index */
	Relation relation;
	IndexInfo *index_info;

	/* by build_describe() */
	IndexSpace *space;
	const void *meta;	   /* contents of the metapage that the build begins with */
	Size memory_per_value; /* bytes that the method adds to a value (build_rows.h) */

	/* the rest is build.c's own */
	Size meta_size;
	BuildRows *rows;			 /* NULL once they have been found not to fit */
	MemoryContext row_context;	 /* reset for each row */
	RowSpool *spooled;			 /* then they go here */
	MemoryContext spool_context; /* of begin_spool() */
	double ntuples;				 /* rows indexed */
	double value_bytes;			 /* of their values, where they vary in size */
};

/* Says of what space an index is, what its metapage begins with, and what a value takes. */
static inline void
build_describe(Build *build, IndexSpace *space, const void *meta, Size memory_per_value)
{
	build->space = space;
	build->meta = meta;
	build->memory_per_value = memory_per_value;
}

/* ambuild: builds an index into a relation without blocks. */
extern IndexBuildResult *build_index(Relation heap, Relation relation, IndexInfo *index_info);

/* ambuildempty: the init fork of an unlogged index has a metapage alone. */
extern void build_empty(Relation relation);

/* Writes the metapage anew. */
extern void build_write_meta(Relation relation, const void *meta, Size meta_size);

/* A phase of so many units of work begins; 0: that is not known. */
extern void build_phase(int phase, uint64 total);

/* So many units of it are done. */
extern void build_progress(uint64 done);

/* ambuildphasename of a method that gives this name to BUILD_PHASE_STRUCTURE */
extern char *build_phase_name(int64 phase, const char *structure);

/* A kind of structure that src/core makes in memory of its own, in steps */
typedef struct BuildStructure
{
	const char *name; /* as in "graph of index ..." */

	/* Does about so many units of work; true while some are left. */
	bool (*step)(void *structure, uint64 units);

	/* Units done */
	uint64 (*progress)(const void *structure);

	/* Frees it; also if it is NULL. */
	void (*release)(void *structure);
} BuildStructure;

/* How it is made, with a look at interrupts between two steps */
typedef struct BuildSteps
{
	const BuildStructure *kind;
	uint64 total;	  /* what follows once progress has come to this goes faster */
	uint64 max_units; /* of a step */
	uint64 units;	  /* of the first step; afterwards of the last one before `total` */
} BuildSteps;

/*
 * Does all steps, each of about the same time.  `done` is the progress before the first.  An error
 * if the structure is NULL: there was no memory for it.
 */
extern void build_steps(BuildSteps *steps, void *structure, Relation index, uint64 done);

/*
 * Says that the structure of so many rows does not fit memory, in how many parts it is made
 * instead, and more: sentences with a space before them, or nothing.
 */
extern void build_report_parts(const Build *build, const BuildStructure *kind, uint64 nrows,
							   uint32 nparts, const char *more);

#endif /* ANN_BUILD_H */
