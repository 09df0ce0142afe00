"""What other people's readers find in the resources of an image: for each file named one line of JSON.

LIEF finds the resources and reads the version; pyfwevt and evtx, which share no code, read the compiled event manifest, and evtx turns
its templates back into XML; pywrc reads the message table.
"""

import json
import sys

import lief
import pyfwevt
import pywrc
from evtx import wevt

lief.logging.disable()

RT_MESSAGETABLE = 11
RT_VERSION = 16


def resources(node, path=()):
    """Each resource: its type, number and language, and its bytes."""
    for child in node.childs:
        here = (*path, child.name if child.has_name else child.id)
        if child.is_data:
            yield here, bytes(child.content)
        else:
            yield from resources(child, here)


def read_version(image, data):
    found = image.resources_manager.version[0]
    fixed = found.file_info
    numbers = (fixed.file_version_ms >> 16, fixed.file_version_ms & 0xFFFF, fixed.file_version_ls >> 16, fixed.file_version_ls & 0xFFFF)
    strings = {}
    for table in found.string_file_info.children:
        strings[table.key] = {entry.key: entry.value for entry in table.entries}
    read_again = pywrc.version_information_resource()
    read_again.copy_from_byte_stream(data)
    return {
        "numbers": list(numbers),
        "type": int(fixed.file_type),
        "strings": strings,
        "translations": list(found.var_file_info.vars[0].values),
        "again": [read_again.file_version, read_again.product_version],
    }


def read_messages(data):
    table = pywrc.message_table_resource()
    table.copy_from_byte_stream(data)
    found = {}
    for index in range(table.get_number_of_messages()):
        number = table.get_message_identifier(index)
        found[number] = table.get_string(index)
    return found


def read_template(template):
    return {
        "guid": template.identifier,
        "fields": [
            [item.name, item.input_data_type, item.output_data_type, item.number_of_values, item.value_data_size]
            for item in template.items
        ],
    }


def read_provider(provider):
    templates = {}
    for event in provider.events:
        template = event.template_offset and provider.get_template_by_offset(event.template_offset)
        if template:
            templates[event.template_offset] = read_template(template)
    return {
        "guid": provider.identifier,
        "events": [[event.identifier, event.version, event.message_identifier, event.template_offset or 0] for event in provider.events],
        "templates": templates,
    }


def read_by_fwevt(data):
    manifest = pyfwevt.manifest()
    manifest.copy_from_byte_stream(data)
    provider = manifest.get_provider(0)
    found = read_provider(provider)
    found["channels"] = [[channel.identifier, channel.name] for channel in provider.channels]
    found["counts"] = [
        provider.number_of_tasks,
        provider.number_of_keywords,
        provider.number_of_levels,
        provider.number_of_opcodes,
        provider.number_of_maps,
        provider.number_of_templates,
    ]
    return found


def read_by_evtx(data):
    (provider,) = wevt.Manifest.parse(data).providers
    found = read_provider(provider)
    for offset, template in found["templates"].items():
        template["xml"] = provider.get_template_by_offset(offset).to_xml()
    return found


def read(path):
    image = lief.PE.parse(path)
    found = {"path": path, "resources": []}
    for (kind, number, language), data in resources(image.resources):
        found["resources"].append([kind, number, language])
        if kind == "WEVT_TEMPLATE":
            found["wevt"] = data.hex()
            found["fwevt"] = read_by_fwevt(data)
            found["evtx"] = read_by_evtx(data)
        elif kind == RT_MESSAGETABLE:
            found["messages"] = read_messages(data)
            found["message_table"] = data.hex()
        elif kind == RT_VERSION:
            found["version"] = read_version(image, data)
    return found


for path in sys.argv[1:]:
    print(json.dumps(read(path)))
