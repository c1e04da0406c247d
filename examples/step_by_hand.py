"""Play one episode by hand: look at the policy and the tools, call, talk, and see the grade."""

from tau2_core import open_episode

with open_episode("mock", "complete_task") as episode:
    print(episode.policy.splitlines()[0])
    print("the agent has", *(tool.name for tool in episode.tools))
    print("customer:", episode.messages[-1].content)
    result = episode.call("update_task_status", task_id="task_5", status="completed")
    print("the tool answers", result.content)
    while episode.ended is None:
        print("customer:", episode.say("task_5 is completed. Is there anything else?"))
    grade = episode.grade()
    print(f"{episode.ended.value}: reward {grade.reward}, {grade.outcome.value}")
