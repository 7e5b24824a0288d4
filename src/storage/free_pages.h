/*-------------------------------------------------------------------------
 *
 * free_pages.h
 *	  Pages that nothing uses, in a chain whose head stands in the metapage.
 *
 * head_offset says where: at this offset of the metapage's contents is the
 * BlockNumber of the first, or InvalidBlockNumber.
 *
 * README, "Free pages".
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_FREE_PAGES_H
#define ANN_FREE_PAGES_H

#include "postgres.h"

#include "storage/page.h"

/*
 * A page for a new use: the first of the chain, else one that is added to the
 * index.  It is returned pinned and locked exclusively, initialised and empty; its
 * ordinal is one higher than in its last use (1 in a page that was added).  The
 * caller logs it as a fresh one.  The metapage must not be locked by the caller.  An
 * error or a crash before something points to the page leaks it.
 */
extern Buffer free_page_take(Relation index, Size head_offset, PageKind kind, bool building);

/* Changes a copy of the metapage's contents. */
typedef void (*MetaChange)(void *meta);

/*
 * Puts pages of a kind that nothing points to into the chain, or pages that were never
 * written (PAGE_NEW), up to three in a record, locking them in the order given; contents are lost.  An error if one is
 * not of that kind.  also: done in the first record, or NULL.
 */
extern void free_pages_give(Relation index, Size head_offset, PageKind kind,
							const BlockNumber *blocks, int n, MetaChange also);

#endif /* ANN_FREE_PAGES_H */
