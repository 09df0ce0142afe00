#!/bin/sh
# Wraps rustc for the driver's build. Cargo mixes the folder of a path dependency into its symbols' names when it lies outside
# the workspace root, as all rooms do for lab/driver, and the order of functions in the image follows the names. Here they come
# from the package alone, so that a build in any folder gives the same bytes.
set -eu
rustc=$1
shift
for argument do
    shift
    case $argument in
    metadata=*) argument="metadata=${CARGO_PKG_NAME-}-${CARGO_PKG_VERSION-}-${CARGO_CRATE_NAME-}" ;;
    esac
    set -- "$@" "$argument"
done
exec "$rustc" "$@"
