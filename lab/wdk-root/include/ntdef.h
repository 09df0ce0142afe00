/* mingw-w64's ntdef.h, with two macros in a form that clang accepts as constant expressions for this target. */
#include_next <ntdef.h>

#undef FIELD_OFFSET
#define FIELD_OFFSET(type, field) ((LONG)__builtin_offsetof(type, field))

#undef C_ASSERT
#define C_ASSERT(e) _Static_assert((e), #e)
