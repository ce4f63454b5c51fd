"""Holds commands for the AWS CLI, and requests, against the services' models in botocore.

    check.py commands < TEXT    every `aws SERVICE OPERATION --option value` in a text, a shell
                                script or a document: known service and operation, known options,
                                values of the right shape, nothing required left out
    check.py input SERVICE OPERATION < JSON    a whole request, as --cli-input-json takes it

Exits 1 with a line for each thing that is wrong. What the CLI adds of its own: --region, --query
(whose fields have to be in the answer), --output, --cli-input-json (whose file is not looked at). It reads no shorthand syntax: structures and
lists of them are to be JSON.
"""

import json
import re
import shlex
import sys

import botocore.session
import jmespath
from botocore import xform_name
from botocore.validate import ParamValidator

SESSION = botocore.session.get_session()
OUTPUTS = {"json", "text", "table", "yaml", "off"}


class Wrong(Exception):
    """What is wrong, in a sentence."""


def commands(text):
    """Each command's line, without its comment sign, its crontab times and what surrounds it."""
    for line in text.replace("\\\n", " ").splitlines() if "'[" not in text else joined(text):
        found = re.search(r"(?:^|[\s(`|])(aws [a-z0-9-]+ [a-z0-9-]+.*)$", line, re.DOTALL)
        if found and (not line.startswith("#") or line.startswith("#   ")):
            yield found.group(1)


def joined(text):
    """Lines, with those put together that belong to one command: `\\` at the end, open quotes."""
    line = ""
    for part in text.splitlines():
        line += part
        if line.endswith("\\"):
            line = line[:-1] + " "
        elif line.startswith("#") or line.count("'") % 2 == 0:
            yield line
            line = ""
        else:
            line += "\n"
    if line:
        raise Wrong(f"never ends: {line}")


def words(command):
    """The command's words, up to where the shell takes over."""
    # What a substitution puts there is a word of its own.
    command = re.sub(r"\$\([^()]*\)", "substituted", command)
    lexer = shlex.shlex(command, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    taken = []
    for word in lexer:
        if set(word) <= set("();<>|&"):
            break
        taken.append(word)
    return taken


def check_command(command):
    _, service, name, *rest = words(command)
    if service not in SESSION.get_available_services():
        raise Wrong(f"no service {service}")
    model = SESSION.get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if name not in operations:
        raise Wrong(f"{service} has no operation {name}")
    operation = model.operation_model(operations[name])
    request = {}
    for option, values in options(rest):
        if option == "cli-input-json" and len(values) == 1:
            # What the file holds is checked as an input.
            return
        take(service, operation, request, option, values)
    check_input(operation, request)


def options(rest):
    """Pairs of an option and its values."""
    found = []
    for word in rest:
        if word.startswith("--"):
            found.append((word[2:], []))
        elif found:
            found[-1][1].append(word)
        else:
            raise Wrong(f"{word} belongs to no option")
    return found


def take(service, operation, request, option, values):
    if option in ("region", "query", "output"):
        (value,) = values
        if option == "region" and value not in SESSION.get_available_regions(service):
            raise Wrong(f"{service} is not in {value}")
        if option == "output" and value not in OUTPUTS:
            raise Wrong(f"--output {value}")
        if option == "query":
            walk(jmespath.compile(value).parsed, operation.output_shape)
        return
    shape = operation.input_shape
    known = {xform_name(name, "-"): name for name in shape.members} if shape else {}
    said = not option.startswith("no-")
    name = known.get(option) or known.get(option.removeprefix("no-"))
    if name is None:
        raise Wrong(f"{operation.name} has no option --{option}")
    if name in request:
        raise Wrong(f"--{option} twice")
    request[name] = parsed(shape.members[name], option, values, said)


def parsed(shape, option, values, said):
    kind = shape.type_name
    if kind == "boolean":
        if values:
            raise Wrong(f"--{option} takes no value")
        return said
    if kind == "list" and shape.member.type_name == "string" and values[:1] != ["["]:
        return values
    if len(values) != 1:
        raise Wrong(f"--{option} takes one value, not {values}")
    (value,) = values
    if kind in ("structure", "list", "map"):
        try:
            return json.loads(value)
        except ValueError as error:
            raise Wrong(f"--{option} {value}: {error}") from error
    return int(value) if kind in ("integer", "long") else value


def check_input(operation, request):
    shape = operation.input_shape
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise Wrong(f"{operation.name}: {report.generate_report()}")
    meets(shape, request, operation.name)


def meets(shape, value, at):
    """What botocore leaves to the service: enumerations and patterns."""
    kind = shape.type_name
    if kind == "structure":
        for name, member in value.items():
            if name not in shape.members:
                raise Wrong(f"{at}: no member {name}")
            meets(shape.members[name], member, f"{at}.{name}")
    elif kind == "list":
        for member in value:
            meets(shape.member, member, f"{at}[]")
    elif kind == "map":
        for member in value.values():
            meets(shape.value, member, f"{at}{{}}")
    elif kind == "string":
        if shape.enum and value not in shape.enum:
            raise Wrong(f"{at}: {value} is none of {', '.join(shape.enum)}")
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            raise Wrong(f"{at}: {value} is not as {pattern}")


def walk(node, shape):
    """Follows a query through the answer; what it ends at."""
    kind, children = node["type"], node["children"]
    if kind == "field":
        name = node["value"]
        if shape is None or shape.type_name != "structure" or name not in shape.members:
            raise Wrong(f"--query: the answer has no {name}")
        return shape.members[name]
    if kind in ("subexpression", "index_expression", "pipe"):
        for child in children:
            shape = walk(child, shape)
        return shape
    if kind in ("projection", "filter_projection"):
        left, right, *conditions = children
        inner = walk(left, shape)
        inner = inner.member if inner.type_name == "list" else inner
        for condition in conditions:
            walk(condition, inner)
        return walk(right, inner)
    if kind == "flatten":
        return walk(children[0], shape)
    if kind == "multi_select_list":
        for child in children:
            walk(child, shape)
        return None
    if kind == "comparator":
        for child in children:
            walk(child, shape)
        return None
    if kind == "index":
        return shape.member
    if kind in ("identity", "literal", "current"):
        return shape
    raise Wrong(f"--query: this check knows no {kind}")


def main():
    job, *more = sys.argv[1:]
    if job == "input":
        service, name = more
        try:
            operation = SESSION.get_service_model(service).operation_model(name)
            check_input(operation, json.load(sys.stdin))
        except Wrong as wrong:
            print(wrong)
            return 1
        return 0
    found, bad = 0, 0
    for command in commands(sys.stdin.read()):
        found += 1
        try:
            check_command(command)
        except (Wrong, ValueError) as wrong:
            bad += 1
            print(f"{' '.join(command.split())}\n    {wrong}")
    print(f"{found} commands, {bad} wrong")
    return 1 if bad or not found else 0


sys.exit(main())
