/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Relation options and settings of hnsw.
 *
 * ef_search exists as both: the option travels with the index, the setting
 * wins when somebody has set it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "utils/guc.h"

#include "access/setting.h"
#include "hnsw/hnsw.h"

ScanSettings hnsw_scan_settings = SCAN_SETTINGS_DEFAULT;
int hnsw_pending_list_limit = HNSW_DEFAULT_PENDING_LIST_LIMIT;

INT_SETTING(ef_search, HNSW_DEFAULT_EF_SEARCH);
static relopt_kind hnsw_relopt_kind;

/* Value of hnsw.scan_mem_multiplier, which nothing reads */
static double scan_mem_multiplier = 1;

/* Its limits are pgvector's. */
#define MAX_SCAN_MEM_MULTIPLIER 1000

static relopt_enum_elt_def quantization_values[] = {
	{"auto", HNSW_QUANTIZATION_AUTO},
	{"none", HNSW_QUANTIZATION_NONE},
	{"rabitq", HNSW_QUANTIZATION_RABITQ},
	{NULL, 0},
};

void
hnsw_init_options(void)
{
	hnsw_relopt_kind = add_reloption_kind();
	add_int_reloption(hnsw_relopt_kind, "m", "Links per vertex and layer", HNSW_DEFAULT_M,
					  HNSW_MIN_M, HNSW_MAX_M, AccessExclusiveLock);
	add_int_reloption(hnsw_relopt_kind, "ef_construction", "Candidates kept while building",
					  HNSW_DEFAULT_EF_CONSTRUCTION, HNSW_MIN_EF_CONSTRUCTION,
					  HNSW_MAX_EF_CONSTRUCTION, AccessExclusiveLock);
	add_int_reloption(hnsw_relopt_kind, "ef_search",
					  "Candidates kept while searching, unless hnsw.ef_search is set", 0, 0,
					  HNSW_MAX_EF_SEARCH, ShareUpdateExclusiveLock);
	add_enum_reloption(hnsw_relopt_kind, "quantization", "Codes of neighbors in the records",
					   quantization_values, HNSW_QUANTIZATION_AUTO,
					   gettext_noop("Valid values are \"auto\", \"none\", and \"rabitq\"."),
					   AccessExclusiveLock);

	DefineCustomIntVariable("hnsw.ef_search", "Sets the number of candidates kept while searching.",
							SETTING_EFFORT_DESCRIPTION, &ef_search.value, HNSW_DEFAULT_EF_SEARCH,
							HNSW_MIN_EF_SEARCH, HNSW_MAX_EF_SEARCH, PGC_USERSET, 0,
							setting_check_int, ef_search_assign, NULL);
	scan_settings_define(&hnsw_scan_settings, "hnsw");
	DefineCustomIntVariable("hnsw.pending_list_limit",
							"Sets the size at which inserted rows are merged into the graph.",
							"0 merges each row at once.", &hnsw_pending_list_limit,
							HNSW_DEFAULT_PENDING_LIST_LIMIT, 0, MAX_KILOBYTES, PGC_USERSET,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomRealVariable("hnsw.scan_mem_multiplier", "Does nothing.",
							 "Scripts written for pgvector may set it.", &scan_mem_multiplier,
							 scan_mem_multiplier, 1, MAX_SCAN_MEM_MULTIPLIER, PGC_USERSET, 0, NULL,
							 NULL, NULL);
}

static const relopt_parse_elt option_table[] = {
	SETTING_OPTION(HnswOptions, m, INT),
	SETTING_OPTION(HnswOptions, ef_construction, INT),
	SETTING_OPTION(HnswOptions, ef_search, INT),
	SETTING_OPTION(HnswOptions, quantization, ENUM),
};

bytea *
hnsw_options(Datum reloptions, bool validate)
{
	return (bytea *) build_reloptions(reloptions, validate, hnsw_relopt_kind, sizeof(HnswOptions),
									  option_table, lengthof(option_table));
}

int
hnsw_option_m(Relation index)
{
	HnswOptions *options = (HnswOptions *) index->rd_options;

	return options != NULL ? options->m : HNSW_DEFAULT_M;
}

int
hnsw_option_ef_construction(Relation index)
{
	HnswOptions *options = (HnswOptions *) index->rd_options;

	return options != NULL ? options->ef_construction : HNSW_DEFAULT_EF_CONSTRUCTION;
}

/* What the index is to be built with */
HnswQuantization
hnsw_option_quantization(Relation index)
{
	HnswOptions *options = (HnswOptions *) index->rd_options;

	return options != NULL ? (HnswQuantization) options->quantization : HNSW_QUANTIZATION_AUTO;
}

/* The size of a scan's pool: the setting, else the option, else the default. */
int
hnsw_option_ef_search(Relation index)
{
	HnswOptions *options = (HnswOptions *) index->rd_options;

	return setting_or_option(&ef_search, options != NULL ? options->ef_search : 0, 0);
}
