"""The core's own agents, customers, evaluators and so on, registered through the same hooks as any plugin's."""

from __future__ import annotations

from tau2_core.hookspecs import hookimpl
from tau2_core.model.lazy import Lazy
from tau2_core.model.registrations import (
    AdapterSpec,
    AgentKind,
    AgentSpec,
    DetectorSpec,
    EvaluatorSpec,
    ExecutorSpec,
    ExporterSpec,
    RetrieverSpec,
    UserSpec,
)


@hookimpl
def tau2_agents() -> list[AgentSpec]:
    return [
        AgentSpec(
            "oracle",
            "makes the gold calls, then says what must be communicated",
            Lazy("tau2_core.agents.oracle:Oracle"),
            sees_gold=True,
        ),
        AgentSpec("llm", "a language model (--agent-model)", Lazy("tau2_core.agents.llm:LLMAgent"), needs_model=True),
        AgentSpec("human", "you, at the terminal", Lazy("tau2_core.agents.human:HumanAgent"), interactive=True),
        AgentSpec("silent", "says nothing useful and calls nothing", Lazy("tau2_core.agents.silent:Silent")),
        AgentSpec(
            "always-transfer", "transfers every customer at once", Lazy("tau2_core.agents.transfer:AlwaysTransfer")
        ),
        AgentSpec("always-refuse", "refuses every request at once", Lazy("tau2_core.agents.baselines:AlwaysRefuse")),
        AgentSpec(
            "random",
            "makes random seeded calls that fit the schemas",
            Lazy("tau2_core.agents.random_calls:RandomCalls"),
        ),
    ]


@hookimpl
def tau2_agent_kinds() -> list[AgentKind]:
    at_an_address = "an OpenAI-compatible endpoint of an agent that calls the tools itself over MCP"
    home = "tau2_core.agents"
    return [
        AgentKind("http", at_an_address, "URL", Lazy(f"{home}.endpoint:http")),
        AgentKind("https", at_an_address, "URL", Lazy(f"{home}.endpoint:https")),
        AgentKind("python", "your own Python code", "MODULE:NAME", Lazy(f"{home}.from_python:spec")),
    ]


@hookimpl
def tau2_user_simulators() -> list[UserSpec]:
    return [
        UserSpec(
            "scripted",
            "says the task's own texts, and makes the customer's gold calls when asked",
            Lazy("tau2_core.users.scripted:Scripted"),
            sees_gold=True,
        ),
        UserSpec(
            "llm",
            "a language model (--user-model)",
            Lazy("tau2_core.users.llm:LLMUser"),
            needs_model=True,
            follows_prompt=True,
        ),
        UserSpec("human", "you, at the terminal", Lazy("tau2_core.users.human:HumanUser"), interactive=True),
        UserSpec("none", "nobody: for solo play", Lazy("tau2_core.users.nobody:Nobody"), solo=True),
    ]


@hookimpl
def tau2_adapters() -> list[AdapterSpec]:
    home = "tau2_core.adapters.tau2_bench.dataset"
    greedy = {"temperature": 0.0}  # spec/conversation.md, 8 and 12
    return [
        AdapterSpec(
            "tau2-bench",
            "a checkout of the official repository",
            Lazy(f"{home}:detect"),
            Lazy(f"{home}:open_dataset"),
            model_args={"agent": greedy, "user": greedy, "judge": greedy},
        )
    ]


@hookimpl
def tau2_exporters() -> list[ExporterSpec]:
    return [
        ExporterSpec("atif", "trajectories of a run, in Harbor's format", write=Lazy("tau2_core.exporters.atif:write"))
    ]


@hookimpl
def tau2_executors() -> list[ExecutorSpec]:
    return [
        ExecutorSpec("async", "this process, in which all episodes take turns", None),
        ExecutorSpec(
            "processes",
            "worker processes on this machine (--workers)",
            Lazy("tau2_core.runs.executors.processes:open_processes"),
        ),
    ]


@hookimpl
def tau2_retrievers() -> list[RetrieverSpec]:
    home = "tau2_core.retrievers"
    most = "how many documents a search returns at most; default 10"
    return [
        RetrieverSpec(
            "bm25", "words, weighted by how rare they are", Lazy(f"{home}.bm25:Bm25"), {"top_k": most}, quick=True
        ),
        RetrieverSpec(
            "grep",
            "a regular expression, by the number of its matches",
            Lazy(f"{home}.grep:Grep"),
            {
                "top_k": most,
                "case_sensitive": "whether upper and lower case differ; default false",
                "seconds": "how long a search may take; default 5",
            },
        ),
        RetrieverSpec(
            "dense",
            "embeddings of a model, by the cosine",
            Lazy(f"{home}.dense:Dense"),
            {
                "top_k": most,
                "model": "the model of the embeddings, as PROVIDER/NAME",
                "model_args": "its arguments, such as api_base; no key, since options are recorded",
                "instruction": "what is put before a query, as some models expect it",
            },
        ),
        RetrieverSpec(
            "rerank",
            "the hits of another retriever, by the rating of a model",
            Lazy(f"{home}.rerank:Rerank"),
            {
                "of": "the retriever whose hits are rated; it has its own options beside these",
                "reranker": "the model that rates, as PROVIDER/NAME",
                "reranker_args": "its arguments, such as api_base; no key, since options are recorded",
                "min_score": "the lowest rating that is kept, of 0 to 10; default 5",
            },
            composes=True,
        ),
        RetrieverSpec(
            "shell",
            "commands in a folder of the documents, in a sandbox",
            Lazy(f"{home}.shell:Shell"),
            {
                "sandbox": "the sandbox, which a plugin provides, such as bubblewrap",
                "writable": "whether an episode may change files, in a copy of its own; default false",
                "seconds": "how long a command may take; default 30",
            },
            composes=True,
        ),
    ]


@hookimpl
def tau2_user_detectors() -> list[DetectorSpec]:
    home = "tau2_core.user_review"
    return [
        DetectorSpec(
            "ended_early", "ended before its wishes were served or refused", Lazy(f"{home}.endings:ended_early")
        ),
        DetectorSpec(
            "ended_at_confirmation",
            "ended in place of an answer to a question",
            Lazy(f"{home}.endings:ended_at_confirmation"),
        ),
        DetectorSpec("went_on_after_end", "went on after the last word", Lazy(f"{home}.endings:went_on_after_end")),
        DetectorSpec(
            "invented_identifier",
            "gave a code, date, name or address that it cannot know",
            Lazy(f"{home}.identifiers:invented_identifier"),
        ),
        DetectorSpec(
            "contradicted_identifier",
            "gave another identifier than its scenario",
            Lazy(f"{home}.identifiers:contradicted_identifier"),
        ),
        DetectorSpec("spoke_as_agent", "spoke the agent's lines", Lazy(f"{home}.speech:spoke_as_agent")),
        DetectorSpec("repeated_itself", "sent the same text again", Lazy(f"{home}.speech:repeated_itself")),
        DetectorSpec(
            "revealed_instructions", "talked about its instructions", Lazy(f"{home}.speech:revealed_instructions")
        ),
        DetectorSpec("empty_turn", "said nothing and called nothing", Lazy(f"{home}.speech:empty_turn")),
        DetectorSpec("wrong_own_call", "called one of its own tools wrongly", Lazy(f"{home}.own_tools:wrong_own_call")),
        DetectorSpec("unasked_own_call", "changed something unasked", Lazy(f"{home}.own_tools:unasked_own_call")),
        DetectorSpec(
            "claimed_without_call",
            "claimed to have done something without a call",
            Lazy(f"{home}.own_tools:claimed_without_call"),
        ),
        DetectorSpec(
            "refused_own_tool",
            "refused to do what one of its own tools does",
            Lazy(f"{home}.own_tools:refused_own_tool"),
        ),
    ]


@hookimpl
def tau2_evaluators() -> list[EvaluatorSpec]:
    home = "tau2_core.evaluators"
    return [
        EvaluatorSpec("tau2.db", "tau2", "DB", Lazy(f"{home}.database:evaluate")),
        EvaluatorSpec("tau2.env_assertion", "tau2", "ENV_ASSERTION", Lazy(f"{home}.env_assertion:evaluate")),
        EvaluatorSpec("tau2.action", "tau2", "ACTION", Lazy(f"{home}.action:evaluate")),
        EvaluatorSpec("tau2.communicate", "tau2", "COMMUNICATE", Lazy(f"{home}.communicate:evaluate")),
        EvaluatorSpec("tau2.nl_assertion", "tau2", "NL_ASSERTION", Lazy(f"{home}.nl_assertion:evaluate")),
        EvaluatorSpec("strict.db", "strict", "DB", Lazy(f"{home}.strict.database:evaluate")),
        EvaluatorSpec("strict.env_assertion", "strict", "ENV_ASSERTION", Lazy(f"{home}.env_assertion:evaluate")),
        EvaluatorSpec("strict.action", "strict", "ACTION", Lazy(f"{home}.strict.action:evaluate")),
        EvaluatorSpec("strict.communicate", "strict", "COMMUNICATE", Lazy(f"{home}.strict.communicate:evaluate")),
        EvaluatorSpec("strict.nl_assertion", "strict", "NL_ASSERTION", Lazy(f"{home}.nl_assertion:evaluate")),
        EvaluatorSpec("strict.outcome", "strict", "OUTCOME", Lazy(f"{home}.strict.outcome:evaluate"), always=True),
        EvaluatorSpec(
            "strict.collateral", "strict", "COLLATERAL", Lazy(f"{home}.strict.collateral:evaluate"), always=True
        ),
        EvaluatorSpec("strict.policy", "strict", "POLICY", Lazy(f"{home}.strict.policy:evaluate")),
    ]
