// The field above the ledger: shows the entries that have all its words.
document.addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("ledger-filter");
  if (!field) return;
  const entries = [...document.querySelectorAll(".ledger .entry")];
  const texts = entries.map((entry) => entry.textContent.toLowerCase());
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    entries.forEach((entry, place) => {
      entry.hidden = !words.every((word) => texts[place].includes(word));
      shown += !entry.hidden;
    });
    document.getElementById("ledger-count").textContent = words.length ? `${shown} of ${entries.length}` : "";
  };
  field.addEventListener("input", show);
  show();
});
