# Which controls and tracks are made, and what the rules about them read.


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
