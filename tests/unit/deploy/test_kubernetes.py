"""deploy/kubernetes says nothing that the code and the images do not."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from streamer.settings import Settings
from tests.unit.deploy import stack
from tests.unit.deploy.test_compose import parse, paths_of, port_of, settings_of

DOCUMENTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((stack.DEPLOY / "kubernetes" / "streamer.yaml").read_text())
)


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {d["metadata"]["name"]: d for d in DOCUMENTS if d["kind"] == kind}


CONFIGURED: dict[str, str] = of_kind("ConfigMap")["streamer"]["data"]
PODS = {
    name.removeprefix("streamer-"): found["spec"]["template"]["spec"]
    for kind in ("Deployment", "Job")
    for name, found in of_kind(kind).items()
}
RUNNING = [name.removeprefix("streamer-") for name in of_kind("Deployment")]


def container(service: str) -> dict[str, Any]:
    (found,) = PODS[service]["containers"]
    assert isinstance(found, dict)
    return found


def test_the_same_services_run_as_with_compose() -> None:
    assert {*PODS, "models"} == set(stack.OWN)
    assert all(container(name)["args"] == stack.command(name)[1:] for name in PODS)
    assert {container(name)["image"] for name in RUNNING} == {
        f"streamer-{name}" for name in RUNNING
    }


def test_every_variable_is_a_setting_and_valid(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    assert set(CONFIGURED) <= {f"STREAMER_{name.upper()}" for name in Settings.model_fields}
    for name, value in CONFIGURED.items():
        monkeypatch.setenv(name, value)
    Settings()
    for name in RUNNING:
        sources = container(name)["envFrom"]
        assert {"configMapRef": {"name": "streamer"}} in sources
        assert {"secretRef": {"name": "streamer-secrets"}} in sources
    assert "STREAMER_USER_KEY" not in CONFIGURED
    assert (
        "generic streamer-secrets --from-literal=STREAMER_USER_KEY"
        in (stack.DEPLOY / "README.md").read_text()
    )


@pytest.mark.parametrize("service", RUNNING)
def test_all_share_one_model_store_that_is_filled_first(service: str) -> None:
    claim = of_kind("PersistentVolumeClaim")["streamer-models"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    (first,) = PODS[service]["initContainers"]
    volumes = {volume["name"]: volume for volume in PODS[service]["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    for one in (first, container(service)):
        mounts = {mount["name"]: mount["mountPath"] for mount in one["volumeMounts"]}
        assert mounts["models"] == CONFIGURED["STREAMER_MODEL_STORE"]
        assert one["image"] == container(service)["image"]
    assert first["args"] == stack.command("models")[1:]
    parse(["streamer", *first["args"]])


@pytest.mark.parametrize("service", RUNNING)
def test_probes_ask_where_it_listens(
    service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    port = port_of(service, settings_of(service, monkeypatch, tmp_path))
    one = container(service)
    assert one["ports"] == [{"containerPort": port}]
    for probe in ("livenessProbe", "readinessProbe"):
        asked = one[probe]["httpGet"]
        assert asked["port"] == port
        assert asked["path"] in paths_of(service)


@pytest.mark.parametrize("service", sorted(PODS))
def test_containers_may_do_little(service: str) -> None:
    user = stack.lines_of("worker", "USER")[-1].split(":")[0]
    pod = PODS[service]["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert str(pod["runAsUser"]) == user
    for one in [*PODS[service].get("initContainers", ()), container(service)]:
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_page_can_be_reached() -> None:
    service = of_kind("Service")["streamer-web"]["spec"]
    labels = of_kind("Deployment")["streamer-web"]["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert service["ports"][0]["targetPort"] == container("web")["ports"][0]["containerPort"]
