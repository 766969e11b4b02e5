"""The sentences of Jenkins' validator, so that advice found anywhere about them helps here as well."""

from __future__ import annotations

from collections.abc import Iterable

PIPELINE_NOT_AT_TOP = "pipeline block must be at the top-level, not within another block."
PIPELINE_WITHOUT_BLOCK = 'Expected a block with the "pipeline" step'
MULTIPLE_SECTIONS = "Multiple occurrences of the {0} section"
UNDEFINED_SECTION = 'Undefined section "{0}"'
RENAMED_SECTIONS = {
    "properties": "The \u2018properties\u2019 section has been renamed as of version 0.8. "
    "Use \u2018options\u2019 instead.",
    "wrappers": "The 'wrappers' section has been removed as of version 0.8. Use 'options' instead.",
    "jobProperties": "The \u2018jobProperties\u2019 section has been renamed as of version 0.7. "
    "Use \u2018properties\u2019 instead.",
    "notifications": "The \u2018notifications\u2019 section has been removed as of version 0.6. "
    "Use \u2018post\u2019 for all post-build actions.",
    "postBuild": "The \u2018postBuild\u2019 section has been renamed as of version 0.6. "
    "Use \u2018post\u2019 for all post-build actions.",
}
INVALID_SECTION = 'Not a valid section definition: "{0}". Some extra configuration is required.'
INVALID_STAGE_SECTION = 'Not a valid stage section definition: "{0}". Some extra configuration is required.'
UNKNOWN_STAGE_SECTION = (
    'Unknown stage section "{0}". Starting with version 0.5, steps in a stage must be in a \u2018steps\u2019 block.'
)
EXPECTED_BLOCK = "Expected a block"
EXPECTED_BLOCK_FOR = "Expected a block for {0}"
EXPECTED_STAGE = "Expected a stage"
STAGE_WITHOUT_BLOCK = "Stage does not have a block"
EXPECTED_STEP = "Expected a step"
STEP_WITHOUT_BLOCK = "{0} step without a block"
EXPECTED_STRING = "Expected string literal"
EXPECTED_STRING_BUT = "Expected string literal but got {0}"
EXPECTED_SYMBOL = "Expected a symbol"
OBJECT_METHOD_CALL = 'Method calls on objects not allowed outside "script" blocks.'
EXPECTED_BOOLEAN = "Expected a boolean with {0}"
EXPECTED_CLOSURE_OR_FAIL_FAST = "Expected closure or failFast"
BIG_INTEGER = (
    "BigIntegers cannot be used as constants in Declarative. The maximum value for an integer is "
    "9,223,372,036,854,775,807 and the minimum value for an integer is -9,223,372,036,854,775,808."
)
BARE_DOLLAR_CURLY = '{0} cannot be used as a value directly. Did you mean "{0}"?'
CLOSURE_ARGUMENT = "Method call arguments"
INTERNAL_ARGUMENT = "Internal function call parameters must be strings."
EXPECTED_PAIRS = "Expected name=value pairs"
DUPLICATE_VARIABLE = 'Duplicate environment variable name: "{0}"'
INVALID_IDENTIFIER = (
    '"{0}" is not a valid identifier and cannot be used for an environment variable. '
    "Identifiers must start with a letter or underscore and can contain only letters, numbers or underscores."
)
INVALID_ENVIRONMENT_EXPRESSION = (
    '"{0}" is not a valid environment expression. Use "key = value" pairs with valid Java/shell keys.'
)
ENVIRONMENT_OPERATION = "Environment variable values can only be joined together with \u2018+\u2019s."
ENVIRONMENT_CONCATENATION = "Environment variable values to be concatenated together must be single or double quoted."
ENVIRONMENT_VALUE = "Environment variable values must either be single quoted, double quoted, or function calls."
EXPECTED_LIBRARY = 'Expected a "lib(...)" but got {0}'
NO_BLOCKS = "{0} definitions cannot have blocks"
NO_MAPS = "{0} cannot be defined as maps"
CALLS = {
    "options": ("Options", "Expected an option"),
    "parameters": ("Build parameters", "Expected a build parameter definition"),
    "triggers": ("Triggers", "Expected a trigger"),
}
EXPECTED_TOOL = 'Expected to find \u2018someTool "someVersion"\u2019'
NONE_FOR_TOOL = 'No argument for tool "{0}"'
TOO_MANY_FOR_TOOL = 'Too many arguments for tool "{0}"'
EXPECTED_MAP = 'Expected to find \u2018someKey "someValue"\u2019'
NONE_FOR_KEY = 'No argument for map key "{0}"'
TOO_MANY_FOR_KEY = 'Too many arguments for map key "{0}"'
NONE_FOR_FIELD = 'No argument for field "{0}"'
TOO_MANY_FOR_FIELD = 'Too many arguments for field "{0}"'
INVALID_INPUT_FIELD = 'Not a valid field for input: "{0}"'
EXPECTED_WHEN = "Expected a when condition"
EXPECTED_AGENT = "Expected an agent"
NO_AGENT_ARGUMENT = "No argument for agent"
INVALID_AGENT = 'Only "agent none", "agent any" or "agent {{...}}" are allowed.'
ONE_AGENT = "Only one agent type is allowed per agent section"
INVALID_POST = (
    "The \u2018post\u2019 section can only contain build condition names with code blocks. "
    "Valid condition names are {0}"
)
EXCLUDE_VALUES_OR_NOT = 'Exclude axis must contain either "values" or "notValues"'

REQUIRED_SECTION = 'Missing required section "{0}"'
NO_STAGES = "No stages specified"
DUPLICATE_STAGE = 'Duplicate stage name: "{0}"'
NOTHING_FOR_STAGE = 'Expected one of "steps", "stages", or "parallel" for stage "{0}"'
ONLY_ONE_OF = 'Only one of "matrix", "parallel", "stages", or "steps" allowed for stage "{0}"'
NO_NESTING = '"matrix" or "parallel" cannot be nested inside another "matrix" or "parallel".'
AGENT_IN_NESTED = '"agent" is not allowed in stage "{0}" as it contains parallel stages'
TOOLS_IN_NESTED = '"tools" is not allowed in stage "{0}" as it contains parallel stages'
DUPLICATE_BRANCH = 'Duplicate parallel branch name: "{0}"'
NO_STEPS = "No steps specified for branch"
EMPTY_SECTION = "{0} can not be empty"
NO_VARIABLES = "No variables specified for environment"
NO_TOOLS = "No tools specified"
NO_TOOL_VERSION = 'Tool type "{0}" does not have an install of "{1}" configured - did you mean "{2}"?'
EMPTY_WHEN = "Empty when closure, remove the property or add some content."
UNKNOWN_WHEN = "Unknown conditional {0}. Valid conditionals are: {1}"
NESTED_WHEN_NO_ARGUMENTS = 'No additional arguments are allowed for children when condition "{0}".'
NO_NESTED_WHEN = 'No children when conditions are allowed for when condition "{0}".'
NESTED_WHEN_WITHOUT_CHILDREN = 'Nested when condition "{0}" requires at least one child condition.'
NESTED_WHEN_COUNT = 'Nested when condition "{0}" requires exactly {1} child condition(s).'
CHANGELOG_WITHOUT_PATTERN = 'Changelog is missing required parameter "pattern".'
CHANGELOG_PATTERN = '"{0}" is not a valid regular expression. {1}'
BLOCKED_STEP = 'Invalid step "{0}" used - not allowed in this context - {1}'
BLOCKED = {
    "stage": "The stage step cannot be used in Declarative Pipelines",
    "properties": "The properties step cannot be used in Declarative Pipelines",
    "parallel": "The parallel step can only be used as the only top-level step in a stage's step block",
}
BLOCKED_IN_CALLS = {
    "node": "The node step cannot be called as an argument to a method in Declarative Pipelines",
    **BLOCKED,
}
INVALID_PARAMETER = 'Invalid parameter "{0}", did you mean "{1}"?'
MISSING_PARAMETER = 'Missing required parameter: "{0}"'
UNNAMED_PARAMETERS = 'Arguments to "{0}" must be explicitly named.'
WRONG_COUNT = '"{0}" should have {1} arguments but has {2} arguments instead.'
NOT_SINGLE_PARAMETER = "Step does not take a single required parameter - use named parameters instead"
MIXED_PARAMETERS = "Cannot mix named and unnamed arguments"
PARAMETER_TYPE = 'Expecting "{0}" for parameter "{1}" but got "{2}" of type {3} instead'
UNNAMED_PARAMETER_TYPE = 'Expecting "{0}" but got "{1}" of type {2} instead'
INVALID_RESULT = "{0} is invalid: {1}. Valid options are SUCCESS, UNSTABLE, FAILURE, NOT_BUILT and ABORTED."
INVALID_TYPE = 'Invalid {0} type "{1}". Valid {0} types: {2}'
DUPLICATE_OPTION = 'Duplicate option name: "{0}"'
DUPLICATE_TRIGGER = 'Duplicate trigger name: "{0}"'
NO_PARAMETERS_IN_OPTIONS = (
    'The "parameters" job property can\'t be used in the "options" directive. '
    'Use the "parameters {...}" directive instead.'
)
NO_TRIGGERS_IN_OPTIONS = (
    'The "triggers" job property can\'t be used in the "options" directive. Use the "triggers {...}" directive instead.'
)
NO_INPUT_MESSAGE = "No message specified for input"
INVALID_CONDITION = 'Invalid condition "{0}" - valid conditions are {1}'
DUPLICATE_CONDITION = 'Duplicate build condition name: "{0}"'
NO_AGENT_TYPE = "No agent type specified. Must be one of {0}"
INVALID_AGENT_TYPE = 'Invalid agent type "{0}" specified. Must be one of {1}'
MISSING_AGENT_PARAMETER = 'Missing required parameter for agent type "{0}": {1}'
INVALID_AGENT_PARAMETER = 'Invalid config option "{0}" for agent type "{1}". Valid config options are {2}'
MULTIPLE_AGENT_PARAMETERS = 'Multiple parameters are required for agent type "{0}" - {1}. Please use a block instead.'
DIRECTORY_IN_DOCKERFILE = "Dockerfile filename cannot contain directory separators."
NO_AXES = "No axis directives specified"
NO_EXCLUDES = "No exclude directives specified"
DUPLICATE_AXIS = 'Duplicate axis name: "{0}"'
DUPLICATE_AXIS_VALUE = 'Duplicate axis value: "{0}"'
COMPILATION = 'Groovy compilation error(s) in {0}. Error(s): "{1}"'

NO_NODE = (
    "Attempted to execute a step that requires a node context while \u2018agent none\u2019 was specified. "
    "Be sure to specify your own \u2018node {{ ... }}\u2019 blocks when using \u2018agent none\u2019."
)
SKIPPED_WHEN = 'Stage "{0}" skipped due to when conditional'
SKIPPED_FAILURE = 'Stage "{0}" skipped due to earlier failure(s)'
SKIPPED_UNSTABLE = 'Stage "{0}" skipped due to earlier stage(s) marking the build as unstable'


def listed(names: Iterable[object]) -> str:
    """As Java shows a list: `[a, b]`."""
    return f"[{', '.join(map(str, names))}]"
