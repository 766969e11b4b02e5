"""What a step, an option, a condition or another symbol takes: names, Java types, which are required."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STRING = "class java.lang.String"
BOOLEAN = "boolean"
BOXED_BOOLEAN = "class java.lang.Boolean"
INT = "int"
ANY = "class java.lang.Object"
TYPES = {"str": STRING, "bool": BOOLEAN, "Boolean": BOXED_BOOLEAN, "int": INT, "float": "float", "any": ANY}
ENUMS = {
    "class java.util.concurrent.TimeUnit": (
        "NANOSECONDS",
        "MICROSECONDS",
        "MILLISECONDS",
        "SECONDS",
        "MINUTES",
        "HOURS",
        "DAYS",
    )
}


@dataclass(frozen=True)
class Parameter:
    """`type` as Java prints a class: "int", "class java.lang.String". A `nullable` one may be missing all the same:
    the validator asks for it, the step runs without.
    """

    name: str
    type: str = ANY
    required: bool = False
    nullable: bool = False


@dataclass(frozen=True)
class Signature:
    """`first` is what a lone unnamed argument is where nothing is required."""

    name: str
    parameters: Sequence[Parameter] = ()
    takes_body: bool = False
    first: str | None = None

    def get(self, name: str) -> Parameter | None:
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    @property
    def required(self) -> list[Parameter]:
        return [parameter for parameter in self.parameters if parameter.required]

    @property
    def sole(self) -> Parameter | None:
        """The one parameter that may be given without its name."""
        required = self.required
        if not required and self.first:
            return self.get(self.first)
        return required[0] if len(required) == 1 else None


def signature(name: str, spec: str = "", takes_body: bool = False) -> Signature:
    """From "message:str! ok:str": `!` marks what is required, no type means any."""
    parameters = []
    for word in spec.split():
        parameter, _, type = word.rstrip("!").partition(":")
        parameters.append(Parameter(parameter, TYPES.get(type or "any", type), word.endswith("!")))
    return Signature(name, tuple(parameters), takes_body)


def accepts(type: str, value: object) -> bool:
    """Whether Groovy would cast a literal to a Java type, and Jenkins' validator let it."""
    if type == STRING:
        return not isinstance(value, bool | int) or value is None
    if type == INT:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if type in ENUMS:
        return isinstance(value, str) and value in ENUMS[type]
    return True
