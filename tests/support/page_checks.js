// What is wrong with a page for its readers, in words: WCAG 2.2, 1.3.1, 1.4.3 (4.5:1 for all text), 1.4.10, 2.4.2, 4.1.2.
() => {
  const complaints = [];
  for (const element of document.documentElement.scrollWidth > innerWidth ? document.querySelectorAll("body *") : []) {
    const { right } = element.getBoundingClientRect();
    if (right > innerWidth) complaints.push(`scrolls sideways to ${right}: ${element.outerHTML.slice(0, 80)}`);
  }
  for (const name of ["header", "main", "h1", "title"]) {
    if (document.querySelectorAll(name).length !== 1) complaints.push(`not one ${name}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) complaints.push(`twice: #${id}`);
  for (const name of ["aria-labelledby", "aria-describedby"]) {
    for (const element of document.querySelectorAll(`[${name}]`)) {
      for (const id of element.getAttribute(name).split(" ")) {
        if (!document.getElementById(id)) complaints.push(`${name}=${id}: is not there`);
      }
    }
  }
  for (const input of document.querySelectorAll("input:not([type=hidden]):not([hidden])")) {
    if (input.labels.length !== 1) complaints.push(`#${input.id}: has not one label`);
  }
  for (const element of document.querySelectorAll("a, button, audio, [role=img]")) {
    if (!(element.textContent.trim() || element.getAttribute("aria-label"))) complaints.push(`no name: ${element.outerHTML}`);
  }
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) => {
    const [r, g, b] = color.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility() || element.closest(":disabled")) continue;
    const [one, other] = [luminance(rgb(getComputedStyle(element).color)), luminance(background(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) complaints.push(`contrast ${contrast.toFixed(2)}: ${node.data.trim()}`);
  }
  return complaints;
}
