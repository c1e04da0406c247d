"""Send one message to an A2A agent and receive its answer, within limits of time and size. Failures are ModelErrors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TypeAlias

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.client.client import Client
from a2a.types.a2a_pb2 import GetTaskRequest, Message, SendMessageRequest, StreamResponse, Task, TaskState
from tau2_core.llm.failures import as_model_error
from tau2_core.model.llm import ModelError, ModelFailure

MOST_BYTES = 16 * 1024 * 1024  # of an answer, since an agent may stream forever
POLL_SECONDS = 0.5
UNDER_WAY = (TaskState.TASK_STATE_UNSPECIFIED, TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_WORKING)

Answer: TypeAlias = Message | Task


async def exchange(url: str, message: Message, seconds: float, headers: Mapping[str, str]) -> Answer:
    """Send a message, and return the message or the task that answers it. Raises ModelError.

    The headers are sent with each HTTP request.
    """
    try:
        async with asyncio.timeout(seconds):
            limits = httpx.Timeout(seconds)
            async with httpx.AsyncClient(transport=_Bounded(), timeout=limits, headers=headers) as http:
                client = await ClientFactory(ClientConfig(httpx_client=http)).create_from_url(url)
                return await _answer(client, message)
    except TimeoutError as error:
        raise ModelError(ModelFailure.TIMEOUT, f"the A2A agent at {url} did not answer within {seconds:g} s") from error
    except ModelError:
        raise
    except Exception as error:  # the SDK and HTTPX raise many kinds
        failure = as_model_error(error)
        raise ModelError(failure.kind, f"the A2A agent at {url}: {failure.message}") from error


async def _answer(client: Client, message: Message) -> Answer:
    task = Task()
    async for event in client.send_message(SendMessageRequest(message=message)):
        if event.HasField("message"):
            return event.message
        _update(task, event)
        if task.status.state not in UNDER_WAY:
            return task
    while task.status.state in UNDER_WAY:
        if not task.id:
            raise ModelError(ModelFailure.UNREADABLE, "the answer has neither a message nor a task")
        await asyncio.sleep(POLL_SECONDS)
        task = await client.get_task(GetTaskRequest(id=task.id))
    return task


def _update(task: Task, event: StreamResponse) -> None:
    """Update a task with an event of a stream."""
    if event.HasField("task"):
        task.CopyFrom(event.task)
    elif event.HasField("status_update"):
        update = event.status_update
        task.id, task.context_id = update.task_id, update.context_id
        task.status.CopyFrom(update.status)
    elif event.HasField("artifact_update"):
        artifact = event.artifact_update.artifact
        known = [each for each in task.artifacts if each.artifact_id == artifact.artifact_id]
        if known and event.artifact_update.append:
            known[0].parts.extend(artifact.parts)
        else:
            task.artifacts.append(artifact)


class _Bounded(httpx.AsyncHTTPTransport):
    """Rejects answers that are too long."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _BoundedStream(response.stream)
        return response


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > MOST_BYTES:
                raise ModelError(ModelFailure.UNREADABLE, f"the answer has more than {MOST_BYTES} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


def is_final(task: Task) -> bool:
    """Return whether a task accepts no further messages."""
    return task.status.state != TaskState.TASK_STATE_INPUT_REQUIRED


def state_name(task: Task) -> str:
    """Return a task's state as the protocol writes it, without its prefix: `failed`."""
    return TaskState.Name(task.status.state).removeprefix("TASK_STATE_").lower().replace("_", "-")
