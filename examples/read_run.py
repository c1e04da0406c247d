"""Read a run folder: figures, episodes, conversations, and rows for a data frame."""

from tau2_core import Run, evaluate

folder = evaluate("mock", agent="random", split="test", trials=2).folder

run = Run(folder)  # any run folder, of `tau2-gym run` or `tau2-gym serve`, complete, stopped or in progress
print(run.configuration["domain"], run.configuration["agent"]["name"], run.trials, "trials")
print(f"mean reward {run.mean_reward:.2f}, coverage {run.coverage:.0%}, pass^2 {run.pass_hat_k[2]:.2f}")
print("by task:", run.report.solved_by_task)

episode = run.episode(run.tasks[0], trial=1)
print(episode.termination.value, episode.reward, *episode.reasons)
for message in episode.messages[:4]:
    print(f"{message.role}: {message.content}")

for row in run.rows():  # pandas.DataFrame(run.rows()), polars.DataFrame(run.rows())
    print(row["task_id"], row["trial"], row["reward"], row["DB"])
