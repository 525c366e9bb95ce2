// Making elements, never out of strings of HTML: whatever a review contains stays text.

const SVG = 'http://www.w3.org/2000/svg';

export const find = (id) => document.getElementById(id);

export function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function draw(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null) continue;
    element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

// Shows the words, or nothing at all.
export function tell(element, words) {
  element.textContent = words;
  element.hidden = !words;
}
