"""The pods that an object makes, asked of objects that may lack anything."""

from delivery.manifests import POD_TEMPLATES, Object, all_containers, dig


def pod_spec(each: Object | None) -> Object | None:
    """The spec of the pods that an object makes; None where it makes none."""
    if each is None:
        return None
    if each["kind"] in POD_TEMPLATES:
        found = dig(each, "spec", "template", "spec")
    elif each["kind"] == "CronJob":
        found = dig(each, "spec", "jobTemplate", "spec", "template", "spec")
    else:
        found = dig(each, "spec") if each["kind"] == "Pod" else None
    return found if isinstance(found, dict) else None


def containers(each: Object | None) -> dict[str, Object]:
    """Containers of every sort, by name."""
    spec = pod_spec(each)
    if spec is None:
        return {}
    return {str(one.get("name")): one for one in all_containers({"containers": [], **spec}) if isinstance(one, dict)}
