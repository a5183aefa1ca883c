"""How a claim's verdict depends on the threshold that was fixed."""

from mnemo_jax.claims.carry_out import Told, pieces
from mnemo_jax.report.chart import Chart, figure, lines

TONE = {
    "holds": "good",
    "holds in some regimes": "doubt",
    "does not hold as stated": "bad",
    "inconclusive": "quiet",
    "invalid": "quiet",
}


def by_threshold(told: Told) -> Chart | None:
    """Return the verdict as a function of the threshold, None where there is no one threshold."""
    parts = pieces(told)
    if not parts:
        return None
    rule = told.claim.rule()
    scaled = rule.direction == "inside"
    now = 1.0 if scaled else rule.threshold
    words = list(dict.fromkeys(part["verdict"] for part in parts))
    traces = [
        {
            "type": "scatter",
            "x": [end for part in parts if part["verdict"] == word for end in (part["from"], part["to"], None)],
            "y": [word for part in parts if part["verdict"] == word for _ in range(3)],
            "mode": "lines+markers",  # so that also the shortest piece is seen
            "line": {"width": 14, "color": f"var(--{TONE[word]})"},
            "marker": {"symbol": "line-ns", "size": 10, "line": {"width": 2, "color": f"var(--{TONE[word]})"}},
            "hovertemplate": "%{y} at %{x:.4g}<extra></extra>",
        }
        for word in words
    ]
    axis = "margin, in multiples of the one that was fixed" if scaled else "threshold"
    return Chart(
        name=f"{told.claim.id}-threshold",
        title="The verdict by threshold",
        caption="What the same evidence would say of other thresholds; the dashed line is the one that was fixed."
        + (" Regimes with a rule of their own keep it." if any(one.rule != rule for one in told.regimes) else ""),
        alt="; ".join(f"{part['from']:.4g} to {part['to']:.4g}: {part['verdict']}" for part in parts),
        figure=figure(
            traces,
            xaxis={"title": {"text": lines(axis)}},
            yaxis={"type": "category"},
            shapes=[
                {"type": "line", "x0": now, "x1": now, "yref": "paper", "y0": 0, "y1": 1}
                | {"line": {"color": "var(--ink)", "dash": "dash", "width": 1.5}}
            ],
            showlegend=False,
        ),
        numbers={name: [part[name] for part in parts] for name in ("from", "to", "verdict")},
        height=110 + 34 * len(words),
    )
