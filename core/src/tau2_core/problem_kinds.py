"""The kinds of problems that a pack can have, each with a code that stays the same."""

from __future__ import annotations

from enum import Enum


class ProblemKind(Enum):
    """The kind of a problem; docs/reference/problems.md explains each. A code is never used for anything else."""

    SYNTAX = "T2G001", "a file cannot be parsed"
    MISSING_FILE = "T2G002", "a named file does not exist"
    REPEATED_KEY = "T2G003", "a key occurs twice"
    WRONG_SHAPE = "T2G004", "a file has the wrong structure"
    UNKNOWN_KEY = "T2G005", "an unknown key"
    MISSING_KEY = "T2G006", "a key is missing"
    WRONG_VALUE = "T2G007", "a value has the wrong type or form"
    PACKAGE = "T2G008", "a package cannot be used"
    DOMAIN_NAME = "T2G009", "a domain's name is missing or differs"
    PLUGIN = "T2G010", "a plugin is broken"

    TOOL_NAME = "T2G011", "a name is not accepted by all model providers"
    PARAMETER_SCHEMA = "T2G012", "a parameter's schema cannot be used"
    NO_HANDLER = "T2G013", "an entry's handler does not exist"
    UNBOUND_HANDLER = "T2G014", "a handler is bound by no entry"
    HANDLER_IMPORT = "T2G015", "a module of handlers cannot be imported"
    HANDLER_FORM = "T2G016", "a handler is not a plain function of `db` and its parameters"
    PARAMETER_NAME = "T2G017", "an entry and its handler have different parameters"
    OPTIONAL = "T2G018", "a parameter is optional on one side only"
    PARAMETER_TYPE = "T2G019", "a parameter has different types in the entry and in the handler"
    SAME_NAME = "T2G020", "two tools or functions have the same name"
    TRANSFERS = "T2G021", "more than one tool transfers"
    ID_POOL = "T2G022", "a pool of ids is not declared"
    SYNC = "T2G023", "the sync cannot be used"
    TOOLSET = "T2G024", "a toolset cannot be used"
    NOT_WRITTEN = "T2G025", "a handler is not written yet"
    EPISODE = "T2G026", "the function of a task's options cannot be used"
    CUSTOMER = "T2G027", "a prompt or persona of the customer has a name of the core"
    WRAPPED = "T2G028", "a wrapped domain cannot be used"

    DATABASE_MODEL = "T2G030", "a database's model cannot be used"
    DATA = "T2G031", "data does not fit the records"
    UNKNOWN_FIELD = "T2G032", "a key in the data is not a field of its record"
    DIFFERING_ID = "T2G033", "a record's id differs from its key"
    PROMPT = "T2G034", "a prompt cannot be rendered"
    NO_POLICY = "T2G035", "a policy is missing"
    VARIANT_TEXT = "T2G036", "a variant's text does not fit what it replaces"
    DOCUMENT = "T2G037", "a document of the knowledge base cannot be used"
    RETRIEVER = "T2G038", "a retriever or its options cannot be used"
    VARIANT = "T2G039", "a variant does not exist"

    UNKNOWN_TOOL = "T2G040", "a tool does not exist"
    UNKNOWN_FUNCTION = "T2G041", "a function does not exist or is of the wrong kind"
    ARGUMENTS = "T2G042", "arguments do not fit the schema"
    COMPARED_ARGUMENT = "T2G043", "an argument that is to be compared does not exist"
    CRITERIA = "T2G044", "the criteria and the reward basis do not fit"
    UNSAYABLE = "T2G045", "a text to be communicated can never be found"
    REPEATED_TASK = "T2G046", "a task id is used twice"
    START_STATE = "T2G047", "a start state cannot be set up"
    GOLD_CALL = "T2G048", "a gold call fails"
    ASSERTION = "T2G049", "an assertion is not met after the gold calls"
    READ_WRITES = "T2G050", "a tool that only reads changes the database"
    OUTCOME = "T2G051", "the outcome is missing or does not fit the gold calls"
    ORACLE = "T2G052", "the agent that makes the gold calls does not pass"
    VACUOUS = "T2G053", "a task is passed without doing what it requires"
    UNFIT_RECORD = "T2G054", "a tool leaves a record that does not fit its model"
    PROCESS_ENDS = "T2G055", "playing a task ends the process"

    NO_SPLIT = "T2G060", "a task is in no split"
    UNKNOWN_TASK = "T2G061", "a split names a task that does not exist"
    SPLIT_OVERLAP = "T2G062", "a split repeats a task, or train and test share one"
    SPLIT_RULE = "T2G063", "a split's rule is wrong"

    FAMILY = "T2G070", "an entry of a family cannot be used"
    UNKNOWN_PART = "T2G071", "a block or persona does not exist"
    FACT = "T2G072", "a fact is defined twice or never"
    FAMILY_TEXT = "T2G073", "a family's text cannot be rendered"
    UNUSED = "T2G074", "a block or persona is used by no family"
    NOT_BROKEN = "T2G075", "nothing is broken at the start"

    POLICY_RULE = "T2G080", "a rule of the policy cannot be used"
    RULE_BROKEN = "T2G081", "the gold calls break a rule of the policy"
    EVALUATION = "T2G085", "an evaluation cannot be used"
    ALLOW_LIST = "T2G086", "an entry of the audit's allow-list cannot be used"

    OUTSIDE_FILE = "T2G090", "the code reads a file outside the pack"
    NOT_REPRODUCIBLE = "T2G091", "results differ from process to process"
    UNPROVEN = "T2G092", "something could not be checked"
    UNDOCUMENTED = "T2G094", "no document names a hidden tool"
    UNFINDABLE = "T2G095", "the documents that a task needs are not found"

    @property
    def code(self) -> str:
        """The code, `T2G` and three digits."""
        return self.value[0]

    @property
    def title(self) -> str:
        """The kind in a few words."""
        return self.value[1]
