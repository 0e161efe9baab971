/* How the core registers a pseudo-TA: the build script preprocesses this and looks at the section's name. */
#include <kernel/pseudo_ta.h>
pseudo_ta_register(.name = "section");
