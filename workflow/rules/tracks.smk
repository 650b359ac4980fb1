# Which controls, tracks and web head are made, and what the rules about them read.


def control_files():
    """What a complete run makes for control: per family its panel, and tracks of all frames and asked-for segments."""
    tracks = ["tour", *EXPRESSIONS, *(f"mesh/{segment}" for segment in CFG.control.segments)]
    return expand(results("control/panels/{family}.json"), family=CFG.control.families) + expand(
        results("control/tracks/{family}/{track}.csv"), family=CFG.control.families, track=tracks
    )


def control_inputs():
    """What every rule about a family's weights reads."""
    return {
        "components": component_file,
        "neutral": results("gaussians/neutral.h5"),
        "template": results("template/template.h5"),
        "panel": results("control/panels/{family}.json"),
    }


def of_every_family(pattern):
    """A file of control for each family that moves the head together."""
    return expand(results(pattern), family=CFG.control.families)


def web_head():
    """The web head, if it is wanted: it needs the npm registry once."""
    return [results("control/head.html")] if CFG.control.web_head else []


def notice():
    """What the terms of the data ask to be said wherever a head learned from it is shown."""
    if CFG.capture.source == "multiface":
        return "Learned from Multiface (Meta), CC BY-NC 4.0: not for commercial use."
    return ""
