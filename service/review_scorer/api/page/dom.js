// Creates elements without parsing HTML, so the text of a review is never markup.

const SVG = 'http://www.w3.org/2000/svg';

export const byId = (id) => document.getElementById(id);

export function createHTML(name, attributes = {}, ...children) {
  return withContent(document.createElement(name), attributes, children);
}

export function createSVG(name, attributes = {}, ...children) {
  return withContent(document.createElementNS(SVG, name), attributes, children);
}

function withContent(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null) continue;
    element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

// Shows the message, or hides the element if there is none.
export function showMessage(element, message) {
  element.textContent = message;
  element.hidden = !message;
}
