// Elements. Text becomes text nodes and attributes only: nothing that a device says is ever read as markup.

// Makes an element. Attributes that begin with "on" are listeners; false, null and undefined leave one out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Puts text into an element, unless it is there already.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// An input with its label.
export function field(label, input, hint) {
  const id = input.id || `f${(field.next = (field.next || 0) + 1)}`;
  input.id = id;
  const help = hint ? h("span", { class: "hint", id: `${id}-hint` }, hint) : null;
  if (help) input.setAttribute("aria-describedby", help.id);
  return h("div", { class: "field" }, h("label", { for: id }, label), input, help);
}

// A <select>: pairs of value and text.
export function select(options, chosen, attributes = {}) {
  const element = h("select", attributes, options.map(([value, text]) => h("option", { value }, text)));
  element.value = chosen;
  return element;
}

// A section with a heading.
export function card(title, ...children) {
  const id = `c${(card.next = (card.next || 0) + 1)}`;
  return h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), children);
}

// Says something to who listens to the page instead of looking at it.
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

// The outcome of a form, beside it.
export function outcome() {
  const element = h("p", { class: "outcome", role: "status" });
  return {
    element,
    busy(text) {
      element.className = "outcome busy";
      element.textContent = text;
    },
    good(text) {
      element.className = "outcome good";
      element.textContent = text;
    },
    bad(text) {
      element.className = "outcome bad";
      element.textContent = text;
    },
    clear() {
      element.className = "outcome";
      element.textContent = "";
    },
  };
}

// A form that sends by `send`, once at a time.
export function form(attributes, send, ...children) {
  const element = h("form", { novalidate: true, ...attributes }, children);
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter;
    if (button) button.disabled = true;
    try {
      await send(button);
    } finally {
      if (button) button.disabled = false;
    }
  });
  return element;
}
