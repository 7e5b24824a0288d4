/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Relation options and settings of vptree.
 *
 * What prunes a search exists as both: the option travels with the index, the
 * setting wins when somebody has set it.  Names and defaults are NMSLIB's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/reloptions.h"
#include "utils/guc.h"

#include "access/setting.h"
#include "vptree/vptree.h"

/* Options that nobody has set */
#define NO_EXPONENT (-1)
#define NO_LEAVES 0

#define MAX_ALPHA 1e10
#define MAX_EXPONENT 100
#define MAX_RESTARTS 10000
#define MAX_STEP_N 20
#define MIN_TUNE_QTY 1000
#define MAX_FULL_FACTOR 1e6

#define DEFAULT_TUNE_QTY 20000
#define DEFAULT_MIN_EXP 1
#define DEFAULT_MAX_EXP 2
#define DEFAULT_MAX_ITER 10
#define DEFAULT_MAX_REC_DEPTH 6
#define DEFAULT_STEP_N 2
#define DEFAULT_RESTARTS 4
#define DEFAULT_FULL_FACTOR 8.0

ScanSettings vptree_scan_settings = SCAN_SETTINGS_DEFAULT;

REAL_SETTING(alpha_left, 1);
REAL_SETTING(alpha_right, 1);
INT_SETTING(exp_left, 1);
INT_SETTING(exp_right, 1);
REAL_SETTING(alpha_pivot, 0);
REAL_SETTING(exp_pivot, 1);
INT_SETTING(max_leaves, VPTREE_NO_LEAF_LIMIT);

static relopt_kind vptree_relopt_kind;

static relopt_enum_elt_def partition_values[] = {
	{"vp", TREE_VP},
	{"kd", TREE_KD},
	{NULL, 0},
};

static relopt_enum_elt_def tune_metric_values[] = {
	{"dist", TREE_TUNE_DISTANCES},
	{"time", TREE_TUNE_TIME},
	{NULL, 0},
};

/* What rd_options has when no option was given */
static const VptreeOptions default_options = {
	.bucket_size = VPTREE_AUTO_BUCKET_SIZE,
	.partition = TREE_VP,
	.path_length = VPTREE_DEFAULT_PATH_LENGTH,
	.num_pivot = VPTREE_DEFAULT_NUM_PIVOT,
	.alpha_left = NAN,
	.alpha_right = NAN,
	.exp_left = NO_EXPONENT,
	.exp_right = NO_EXPONENT,
	.alpha_pivot = NAN,
	.exp_pivot = NAN,
	.max_leaves_to_visit = NO_LEAVES,
	.desired_recall = NAN,
	.tune_k = 0,
	.tune_r = NAN,
	.tune_qty = DEFAULT_TUNE_QTY,
	.min_exp = DEFAULT_MIN_EXP,
	.max_exp = DEFAULT_MAX_EXP,
	.tune_metric = TREE_TUNE_DISTANCES,
	.max_iter = DEFAULT_MAX_ITER,
	.max_rec_depth = DEFAULT_MAX_REC_DEPTH,
	.step_n = DEFAULT_STEP_N,
	.add_restart_qty = DEFAULT_RESTARTS,
	.full_factor = DEFAULT_FULL_FACTOR,
};

/* An option of a build takes effect with the next one, that of a query at once. */
#define BUILD_LOCK AccessExclusiveLock
#define QUERY_LOCK ShareUpdateExclusiveLock

static void
add_int(const char *name, const char *description, int initial, int minimum, int maximum,
		LOCKMODE lock)
{
	add_int_reloption(vptree_relopt_kind, name, description, initial, minimum, maximum, lock);
}

static void
add_real(const char *name, const char *description, double initial, double minimum, double maximum,
		 LOCKMODE lock)
{
	add_real_reloption(vptree_relopt_kind, name, description, initial, minimum, maximum, lock);
}

static void
add_tree_options(void)
{
	add_int("bucket_size", "Rows in a bucket, at most; 0: as many as fit a page",
			default_options.bucket_size, 0, VPTREE_MAX_BUCKET_SIZE, BUILD_LOCK);
	add_enum_reloption(vptree_relopt_kind, "partition", "How a node divides its rows",
					   partition_values, default_options.partition,
					   gettext_noop("Valid values are \"vp\" and \"kd\"."), BUILD_LOCK);
	add_int("path_length", "Distances to pivots that are kept with a row",
			default_options.path_length, 0, TREE_MAX_PATH, BUILD_LOCK);
	add_int("num_pivot", "Pivots whose distances to every row are kept", default_options.num_pivot,
			0, VPTREE_MAX_NUM_PIVOT, BUILD_LOCK);
	add_real("alpha_left", "Stretches bounds of what is outside of a radius",
			 default_options.alpha_left, 0, MAX_ALPHA, QUERY_LOCK);
	add_real("alpha_right", "Stretches bounds of what is inside of a radius",
			 default_options.alpha_right, 0, MAX_ALPHA, QUERY_LOCK);
	add_int("exp_left", "Exponent of bounds of what is outside of a radius",
			default_options.exp_left, 0, MAX_EXPONENT, QUERY_LOCK);
	add_int("exp_right", "Exponent of bounds of what is inside of a radius",
			default_options.exp_right, 0, MAX_EXPONENT, QUERY_LOCK);
	add_real("alpha_pivot", "Stretches bounds of rows by the pivot table; 0: there are none",
			 default_options.alpha_pivot, 0, MAX_ALPHA, QUERY_LOCK);
	add_real("exp_pivot", "Exponent of bounds of rows by the pivot table",
			 default_options.exp_pivot, 0, MAX_EXPONENT, QUERY_LOCK);
	add_int("max_leaves_to_visit", "Buckets searched before rows are returned as they are",
			default_options.max_leaves_to_visit, 1, VPTREE_NO_LEAF_LIMIT, QUERY_LOCK);
}

static void
add_tuning_options(void)
{
	add_real("desired_recall", "Recall that the index is tuned for", default_options.desired_recall,
			 0, 1, BUILD_LOCK);
	add_int("tune_k", "Tunes for queries of so many nearest rows", default_options.tune_k, 1,
			INT_MAX, BUILD_LOCK);
	add_real("tune_r", "Tunes for queries of rows within this distance", default_options.tune_r,
			 -DBL_MAX, DBL_MAX, BUILD_LOCK);
	add_int("tune_qty", "Rows to tune with", default_options.tune_qty, MIN_TUNE_QTY, INT_MAX,
			BUILD_LOCK);
	add_int("min_exp", "Smallest exponent tried", default_options.min_exp, 0, MAX_EXPONENT,
			BUILD_LOCK);
	add_int("max_exp", "Largest exponent tried", default_options.max_exp, 0, MAX_EXPONENT,
			BUILD_LOCK);
	add_enum_reloption(vptree_relopt_kind, "tune_metric", "What tuning makes as small as it can",
					   tune_metric_values, default_options.tune_metric,
					   gettext_noop("Valid values are \"dist\" and \"time\"."), BUILD_LOCK);
	add_int("max_iter", "Rounds of a grid search", default_options.max_iter, 1, TREE_TUNE_MAX_ITER,
			BUILD_LOCK);
	add_int("max_rec_depth", "Times that a grid is refined", default_options.max_rec_depth, 0,
			TREE_TUNE_MAX_DEPTH, BUILD_LOCK);
	add_int("step_n", "Half the number of steps of a grid in each direction",
			default_options.step_n, 1, MAX_STEP_N, BUILD_LOCK);
	add_int("add_restart_qty", "Further grid searches, from random points",
			default_options.add_restart_qty, 0, MAX_RESTARTS, BUILD_LOCK);
	add_real("full_factor", "Factor that a grid spans in each direction",
			 default_options.full_factor, 1, MAX_FULL_FACTOR, BUILD_LOCK);
}

static void
define_settings(void)
{
	DefineCustomRealVariable("vptree.alpha_left",
							 "Stretches bounds of what is outside of a radius.",
							 "More than 1 leaves out more than is certain to be too far.",
							 &alpha_left.value, alpha_left.value, 0, MAX_ALPHA, PGC_USERSET, 0,
							 setting_check_real, alpha_left_assign, NULL);
	DefineCustomRealVariable("vptree.alpha_right",
							 "Stretches bounds of what is inside of a radius.",
							 "More than 1 leaves out more than is certain to be too far.",
							 &alpha_right.value, alpha_right.value, 0, MAX_ALPHA, PGC_USERSET, 0,
							 setting_check_real, alpha_right_assign, NULL);
	DefineCustomIntVariable("vptree.exp_left",
							"Sets the exponent of bounds of what is outside of a radius.", NULL,
							&exp_left.value, exp_left.value, 0, MAX_EXPONENT, PGC_USERSET, 0,
							setting_check_int, exp_left_assign, NULL);
	DefineCustomIntVariable("vptree.exp_right",
							"Sets the exponent of bounds of what is inside of a radius.", NULL,
							&exp_right.value, exp_right.value, 0, MAX_EXPONENT, PGC_USERSET, 0,
							setting_check_int, exp_right_assign, NULL);
	DefineCustomRealVariable("vptree.alpha_pivot", "Stretches bounds of rows by the pivot table.",
							 "0 leaves out no more than is certain to be too far.",
							 &alpha_pivot.value, alpha_pivot.value, 0, MAX_ALPHA, PGC_USERSET, 0,
							 setting_check_real, alpha_pivot_assign, NULL);
	DefineCustomRealVariable("vptree.exp_pivot",
							 "Sets the exponent of bounds of rows by the pivot table.", NULL,
							 &exp_pivot.value, exp_pivot.value, 0, MAX_EXPONENT, PGC_USERSET, 0,
							 setting_check_real, exp_pivot_assign, NULL);
	DefineCustomIntVariable("vptree.max_leaves_to_visit",
							"Sets the number of buckets searched before rows are returned.",
							SETTING_EFFORT_DESCRIPTION, &max_leaves.value, max_leaves.value, 1,
							VPTREE_NO_LEAF_LIMIT, PGC_USERSET, 0, setting_check_int,
							max_leaves_assign, NULL);
	scan_settings_define(&vptree_scan_settings, "vptree");
}

void
vptree_init_options(void)
{
	vptree_relopt_kind = add_reloption_kind();
	add_tree_options();
	add_tuning_options();
	define_settings();
}

#define OPTION(name_, type_) SETTING_OPTION(VptreeOptions, name_, type_)

bytea *
vptree_options(Datum reloptions, bool validate)
{
	static const relopt_parse_elt table[] = {
		OPTION(bucket_size, INT),
		OPTION(partition, ENUM),
		OPTION(path_length, INT),
		OPTION(num_pivot, INT),
		OPTION(alpha_left, REAL),
		OPTION(alpha_right, REAL),
		OPTION(exp_left, INT),
		OPTION(exp_right, INT),
		OPTION(alpha_pivot, REAL),
		OPTION(exp_pivot, REAL),
		OPTION(max_leaves_to_visit, INT),
		OPTION(desired_recall, REAL),
		OPTION(tune_k, INT),
		OPTION(tune_r, REAL),
		OPTION(tune_qty, INT),
		OPTION(min_exp, INT),
		OPTION(max_exp, INT),
		OPTION(tune_metric, ENUM),
		OPTION(max_iter, INT),
		OPTION(max_rec_depth, INT),
		OPTION(step_n, INT),
		OPTION(add_restart_qty, INT),
		OPTION(full_factor, REAL),
	};

	return (bytea *) build_reloptions(reloptions, validate, vptree_relopt_kind,
									  sizeof(VptreeOptions), table, lengthof(table));
}

const VptreeOptions *
vptree_options_of(const bytea *options)
{
	return options != NULL ? (const VptreeOptions *) options : &default_options;
}

const VptreeOptions *
vptree_get_options(Relation relation)
{
	return vptree_options_of(relation->rd_options);
}

static double
choose_real(const RealSetting *setting, double option, double tuned)
{
	if (setting->is_set)
		return setting->value;
	return isnan(option) ? tuned : option;
}

static int
choose_exponent(const IntSetting *setting, int option, int tuned)
{
	if (setting->is_set)
		return setting->value;
	return option == NO_EXPONENT ? tuned : option;
}

/* Has somebody chosen how nodes are pruned? */
static bool
is_chosen(const VptreeOptions *options)
{
	return alpha_left.is_set || alpha_right.is_set || exp_left.is_set || exp_right.is_set ||
		   !isnan(options->alpha_left) || !isnan(options->alpha_right) ||
		   options->exp_left != NO_EXPONENT || options->exp_right != NO_EXPONENT;
}

TreePruner
vptree_pruner(Relation relation, const VptreeMeta *meta)
{
	const VptreeOptions *options = vptree_get_options(relation);
	TreePruner pruner;

	pruner.alpha_left = choose_real(&alpha_left, options->alpha_left, meta->pruner.alpha_left);
	pruner.alpha_right = choose_real(&alpha_right, options->alpha_right, meta->pruner.alpha_right);
	pruner.exp_left = choose_exponent(&exp_left, options->exp_left, meta->pruner.exp_left);
	pruner.exp_right = choose_exponent(&exp_right, options->exp_right, meta->pruner.exp_right);
	pruner.alpha_pivot = choose_real(&alpha_pivot, options->alpha_pivot,
									 is_chosen(options) ? 0 : meta->pruner.alpha_pivot);
	pruner.exp_pivot = choose_real(&exp_pivot, options->exp_pivot, meta->pruner.exp_pivot);
	return pruner;
}

int
vptree_max_leaves(Relation relation)
{
	const VptreeOptions *options = vptree_get_options(relation);

	return setting_or_option(&max_leaves, options->max_leaves_to_visit, NO_LEAVES);
}
