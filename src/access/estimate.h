/*-------------------------------------------------------------------------
 *
 * estimate.h
 *	  What a method is told and what it answers when somebody asks what an index
 *	  would take: ann_estimate().
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_ESTIMATE_H
#define ANN_ESTIMATE_H

#include "postgres.h"

#include "access/index_space.h"
#include "core/graph.h"

typedef struct EstimateInput
{
	const char *name;	/* of the table, for messages */
	IndexSpace space;	/* with its dimensions */
	double rows;		/* that will be in the index */
	GraphValues sample; /* encoded values of rows */
	uint32 nsample;
	bytea *options; /* as amoptions of the method returned them */
	double seconds; /* that measuring may take, about */
} EstimateInput;

typedef struct EstimateResult
{
	double memory;	/* bytes to build it in memory */
	bool fits;		/* maintenance_work_mem is enough for that */
	double size;	/* bytes of the index */
	double seconds; /* to build it with the present settings, without reading rows */
} EstimateResult;

#endif /* ANN_ESTIMATE_H */
