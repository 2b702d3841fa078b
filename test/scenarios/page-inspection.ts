/*
 * What to look for in a page, as expressions for `page.evaluate`. They are text, because the tests know no types of
 * browsers.
 */

/** By how many pixels the page is wider than the window. */
export const overhang = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';

/** Texts in sight that end where their box does. Fields scroll, and three dots say that there is more. */
export const cutTexts = `
  [...document.querySelectorAll('body *:not(input, textarea)')]
    .filter((element) => element.checkVisibility() && element.textContent.trim() !== '')
    .filter((element) => {
      const { overflowX, textOverflow, clipPath } = getComputedStyle(element);
      return ['hidden', 'clip'].includes(overflowX) && textOverflow !== 'ellipsis' && clipPath === 'none';
    })
    .filter((element) => element.scrollWidth > element.clientWidth)
    .map((element) => element.textContent.trim())`;

/** Fields and buttons in sight that say nothing about what they are for. */
export const namelessControls = `
  [...document.querySelectorAll('a, button, input, textarea')]
    .filter((element) => element.checkVisibility())
    .filter((element) => {
      const labels = [...(element.labels ?? [])].map((label) => label.textContent);
      const name = element.ariaLabel ?? (labels.length > 0 ? labels.join('') : element.textContent);
      return name.trim() === '';
    })
    .map((element) => element.outerHTML)`;

/** Texts in sight whose contrast to what is behind them is below 4.5 (WCAG 2.2, 1.4.3). */
export const faintTexts = `(() => {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  // Whatever notation a colour has, a pixel has four numbers.
  const pixel = (...colors) => {
    context.clearRect(0, 0, 1, 1);
    for (const color of colors) {
      context.fillStyle = color;
      context.fillRect(0, 0, 1, 1);
    }
    return context.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const layersBehind = (element) => {
    const layers = [];
    for (let each = element; each !== null; each = each.parentElement) {
      layers.unshift(getComputedStyle(each).backgroundColor);
      if (each.tagName === 'DIALOG') break;
    }
    return layers;
  };
  const contrast = (element, pseudo) => {
    const layers = layersBehind(element);
    const behind = luminance(pixel(...layers));
    const text = luminance(pixel(...layers, getComputedStyle(element, pseudo).color));
    return (Math.max(behind, text) + 0.05) / (Math.min(behind, text) + 0.05);
  };
  const scope = document.querySelector('dialog[open]') ?? document.body;
  const texts = [...scope.querySelectorAll('*')].filter(
    (element) =>
      element.checkVisibility({ opacityProperty: true }) &&
      !element.closest('dialog:not([open]), [disabled], .note') &&
      [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''),
  );
  const hints = [...scope.querySelectorAll('[placeholder]')].filter((element) => element.checkVisibility());
  return [
    ...texts.map((element) => [element.textContent.trim(), contrast(element)]),
    ...hints.map((element) => [element.placeholder, contrast(element, '::placeholder')]),
  ].filter(([, ratio]) => !(ratio >= 4.5));
})()`;
