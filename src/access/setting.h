/*-------------------------------------------------------------------------
 *
 * setting.h
 *	  Settings that exist as options of an index, too: the option travels with
 *	  the index, the setting wins when somebody has set it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_SETTING_H
#define ANN_SETTING_H

#include "postgres.h"

#include "utils/guc.h"

typedef struct IntSetting
{
	int value;
	bool is_set; /* by anybody: a session, a role, the configuration, ... */
} IntSetting;

typedef struct RealSetting
{
	double value;
	bool is_set;
} RealSetting;

/*
 * A static setting of the given name with its hook <name>_assign.  It is defined
 * with setting_check_int() or setting_check_real() and this hook.
 */
#define SETTING_HOOK(type, name)                       \
	static void name##_assign(type value, void *extra) \
	{                                                  \
		name.is_set = *(bool *) extra;                 \
	}                                                  \
	extern int name##_needs_semicolon

#define INT_SETTING(name, initial)             \
	static IntSetting name = {initial, false}; \
	SETTING_HOOK(int, name)

#define REAL_SETTING(name, initial)             \
	static RealSetting name = {initial, false}; \
	SETTING_HOOK(double, name)

/* An option in the table of build_reloptions(): a field of the method's struct, by its own name */
#define SETTING_OPTION(struct_, name_, type_)                                                 \
	{                                                                                         \
		.optname = #name_, .opttype = RELOPT_TYPE_##type_, .offset = offsetof(struct_, name_) \
	}

/* What pg_settings says of settings that trade time for rows that are found */
#define SETTING_EFFORT_DESCRIPTION \
	"A larger number finds more of the nearest rows and takes longer."

/* The setting, if it or nothing is set; else the option, which is `unset` where it is not */
static inline int
setting_or_option(const IntSetting *setting, int option, int unset)
{
	return setting->is_set || option == unset ? setting->value : option;
}

/* Check hooks that remember, with the value, whether anybody chose it */
extern bool setting_check_int(int *value, void **extra, GucSource source);
extern bool setting_check_real(double *value, void **extra, GucSource source);

#endif /* ANN_SETTING_H */
