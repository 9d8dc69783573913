/// The page's one script: hover values at once, by finger too, and cards that open when something links to them. Without it the browser
/// shows the same texts slowly, and cards open by hand.
///
/// The texts are `title` elements of the charts, which come from the charts' CSVs; nothing is fetched, and no text is
/// taken for markup.
extension Report {
  static let hoverScript = """
    (() => {
      const tip = document.createElement("div"), ring = document.createElement("div");
      tip.className = "tip"; ring.className = "ring"; tip.hidden = ring.hidden = true;
      document.body.append(tip, ring);
      const hide = () => { tip.hidden = ring.hidden = true; };
      for (const svg of document.querySelectorAll("figure svg, svg.spark")) {
        const marks = [];
        for (const title of svg.querySelectorAll("title")) {
          const text = title.textContent.trim();
          if (!text) continue;
          marks.push([title.parentNode, text]);
          title.remove();
        }
        if (!marks.length) continue;
        svg.dataset.hover = marks.length;
        const show = event => {
          let best = null, least = 28 * 28;
          for (const [mark, text] of marks) {
            const box = mark.getBoundingClientRect();
            const x = box.left + box.width / 2, y = box.top + box.height / 2;
            const far = (x - event.clientX) ** 2 + (y - event.clientY) ** 2;
            if (far < least) { least = far; best = [x, y, text]; }
          }
          if (!best) return hide();
          const [x, y, text] = best;
          tip.textContent = text;
          tip.hidden = ring.hidden = false;
          ring.style.left = x + "px"; ring.style.top = y + "px";
          const width = tip.offsetWidth, height = tip.offsetHeight;
          tip.style.left = Math.max(6, Math.min(innerWidth - width - 6, x - width / 2)) + "px";
          tip.style.top = (y - height - 14 < 6 ? y + 14 : y - height - 14) + "px";
        };
        svg.addEventListener("pointermove", show);
        svg.addEventListener("pointerdown", show);
        svg.addEventListener("pointerleave", hide);
      }
      addEventListener("scroll", hide, { passive: true });
      const open = () => {
        const card = document.getElementById(location.hash.slice(1));
        if (card && card.localName === "details") { card.open = true; card.scrollIntoView(); }
      };
      addEventListener("hashchange", open);
      for (const link of document.querySelectorAll("a[href^='#']")) link.addEventListener("click", () => setTimeout(open));
      open();
    })();
    """
}
