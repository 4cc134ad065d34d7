for (const film of document.querySelectorAll('.film')) {
  const frames = [...film.querySelectorAll('.frame-of')];
  const [controls, button, slider, label] = ['.controls', 'button', 'input', 'output'].map(s => film.querySelector(s));
  let timer = 0;
  const show = i => {
    frames.forEach((frame, k) => frame.classList.toggle('now', k === i));
    slider.value = i;
    label.textContent = 'step ' + Number(frames[i].dataset.step).toLocaleString('en');
  };
  const stop = () => { clearTimeout(timer); timer = 0; button.textContent = 'Play'; };
  const next = () => {
    const i = (Number(slider.value) + 1) % frames.length;
    show(i);
    timer = setTimeout(next, i === frames.length - 1 ? 2500 : 350);
  };
  const play = () => { button.textContent = 'Pause'; timer = setTimeout(next, 350); };
  button.addEventListener('click', () => timer ? stop() : play());
  slider.addEventListener('input', () => { stop(); show(Number(slider.value)); });
  if (frames.length > 1) {
    controls.hidden = false;
    if (!matchMedia('(prefers-reduced-motion: reduce)').matches) play();
  }
}
