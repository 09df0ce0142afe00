"""A build backend that states a source package's name and version, and builds nothing.

pip asks a package's backend for its metadata even when it is told only to download, and the usual backend runs the
package's setup.py for that. This one reads PKG-INFO, which every source package carries.
"""

import email.parser
import os
import shutil
import sys


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    with open("PKG-INFO", encoding="utf-8") as file:
        facts = email.parser.Parser().parse(file)
    name = f"{facts['Name'].replace('-', '_')}-{facts['Version']}.dist-info"
    folder = os.path.join(metadata_directory, name)
    os.mkdir(folder)
    shutil.copy("PKG-INFO", os.path.join(folder, "METADATA"))
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    raise RuntimeError("nothing is built from a package that is only downloaded")


# The name by which pip calls the backend of packages that have no pyproject.toml.
__legacy__ = sys.modules[__name__]
