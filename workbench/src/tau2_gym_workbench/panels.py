"""What plugins add to the workbench: panels beside an episode, and pages of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, TemplateError
from markupsafe import Markup
from tau2_core import RunEpisode
from tau2_core.errors import PluginError, Tau2GymError, UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.lazy import loaded
from tau2_core.model.registrations import PageSpec
from tau2_core.name_suggestions import did_you_mean

from tau2_gym_workbench import rendering


@dataclass(frozen=True, slots=True)
class Panel:
    """A rendered panel, or the error."""

    title: str
    content: Markup
    error: str = ""


class Panels:
    """The pages and panels that plugins provide. One that fails is shown as an error and affects nothing else."""

    def __init__(self, specs: Sequence[PageSpec]) -> None:
        self.specs = specs
        self._templates: dict[str, Environment] = {}

    def pages(self) -> list[PageSpec]:
        """Return the plugins' pages."""
        return [spec for spec in self.specs if spec.place == "page"]

    def beside(self, episode: RunEpisode) -> list[Panel]:
        """Render the panels of an episode."""
        found = [self._panel(spec, episode) for spec in self.specs if spec.place == "episode"]
        return [panel for panel in found if panel is not None]

    def page(self, name: str, folder: Any) -> Panel:
        """Render a page's content. Raises UsageError if there is none of that name."""
        spec = next((each for each in self.pages() if each.name == name), None)
        if spec is None:
            raise UsageError(f"no plugin has a page {name!r} ({did_you_mean(name, [p.name for p in self.pages()])})")
        return self._panel(spec, folder) or Panel(spec.title, Markup(""))

    def _panel(self, spec: PageSpec, subject: Any) -> Panel | None:
        try:
            with foreign(f"page {spec.name}"):
                values = loaded(spec.content)(subject)
            return None if values is None else Panel(spec.title, self._rendered(spec, values))
        except Tau2GymError as error:
            return Panel(spec.title, Markup(""), str(error))
        except Exception as error:  # noqa: BLE001 - a plugin's function may raise anything; its panel says what
            return Panel(spec.title, Markup(""), f"{spec.name} failed: {describe_error(error)}")

    def _rendered(self, spec: PageSpec, values: Mapping[str, Any]) -> Markup:
        if spec.package not in self._templates:
            self._templates[spec.package] = rendering.environment((("plugin", spec.package),))
        try:
            template = self._templates[spec.package].get_template(f"plugin/{spec.template}")
            return Markup(template.render(dict(values)))  # noqa: S704 - the template escapes whatever it prints
        except (TemplateError, OSError) as error:
            raise PluginError(f"{spec.package}/{spec.template}: {describe_error(error)}; fix the plugin") from error
