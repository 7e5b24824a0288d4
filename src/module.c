/*-------------------------------------------------------------------------
 *
 * module.c
 *	  Entry point of the library: its magic block, the settings that belong to
 *	  no single access method, and the start of each method.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/compat.h"
#include "access/method.h"
#include "access/order_column.h"
#include "core/simd.h"
#include "fmgr.h"
#include "hnsw/hnsw.h"
#include "utils/guc.h"
#include "vptree/vptree.h"

PG_MODULE_MAGIC;

static const AccessMethod *const methods[] = {&hnsw_method, &vptree_method};

/* Value of ann.simd that is not a SimdLevel: the best that simd_detect() finds */
#define SIMD_AUTO (-1)

static const struct config_enum_entry simd_options[] = {
	{"auto", SIMD_AUTO, false}, {"avx512", SIMD_AVX512, false}, {"avx2", SIMD_AVX2, false},
	{"neon", SIMD_NEON, false}, {"none", SIMD_NONE, false},		{NULL, 0, false}};

/* The setting as the server keeps it; the kernels know what is in use. */
static int simd_setting = SIMD_AUTO;

static bool
check_simd(int *level, void **extra, GucSource source)
{
	if (*level == SIMD_AUTO || simd_supported((SimdLevel) *level))
		return true;
	GUC_check_errdetail("This machine does not support \"%s\"; the best it supports is \"%s\".",
						simd_name((SimdLevel) *level), simd_name(simd_detect()));
	return false;
}

static void
assign_simd(int level, void *extra)
{
	simd_select(level == SIMD_AUTO ? simd_detect() : (SimdLevel) level);
}

void _PG_init(void);

void
_PG_init(void)
{
	DefineCustomEnumVariable("ann.simd", "Sets the instruction set of the distance kernels.",
							 "All give the same distances up to rounding.", &simd_setting,
							 SIMD_AUTO, simd_options, PGC_USERSET, 0, check_simd, assign_simd,
							 NULL);
	order_column_init();

	/* prefixes are reserved so that a misspelt setting is an error */
	MarkGUCPrefixReserved("ann");
	for (int i = 0; i < (int) lengthof(methods); i++)
	{
		method_register(methods[i]);
		MarkGUCPrefixReserved(methods[i]->name);
	}
}
