/* The compiler's intrinsics are no part of the bindings, and clang's own intrin.h needs headers that are not here. */
