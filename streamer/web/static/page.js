"use strict";

const byId = (id) => document.getElementById(id);

function percent(probability) {
  if (probability > 0.999) return ">99.9%";
  if (probability < 0.001) return "<0.1%";
  return `${(100 * probability).toFixed(1)}%`;
}
