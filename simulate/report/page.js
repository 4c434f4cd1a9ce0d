"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const settings = {
  displayModeBar: "hover",
  displaylogo: false,
  responsive: true,
  modeBarButtons: [["toImage"]],
  toImageButtonOptions: { format: "svg" },
};
const drawn = typeof Plotly === "undefined" ? [] : figures; // the shared library may be missing
if (!drawn.length) document.getElementById("no-library").hidden = false;
for (const figure of drawn) {
  Plotly.newPlot(figure.name, figure.data, figure.layout, settings);
}

// A browser lays the page out for paper without telling plotly: half a page is about 300 pixels.
const size = (change) => drawn.forEach((figure) => Plotly.relayout(figure.name, change));
addEventListener("beforeprint", () => size({ autosize: false, width: 300 }));
addEventListener("afterprint", () => size({ autosize: true, width: null }));
