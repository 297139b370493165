// The filters: rows of the tables by month, provider and team. Without a script every row is shown.
(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  form.hidden = false;
  const told = document.getElementById("filtered");
  const rows = [...document.querySelectorAll("section.rows tbody tr")];
  const apply = () => {
    const wanted = [...form.querySelectorAll("select")].filter((one) => one.value);
    let shown = 0;
    for (const row of rows) {
      row.hidden = wanted.some(
        (one) => row.dataset[one.name] !== undefined && row.dataset[one.name] !== one.value
      );
      shown += row.hidden ? 0 : 1;
    }
    told.textContent = wanted.length ? `${shown} of ${rows.length} rows shown` : "";
  };
  form.addEventListener("change", apply);
  form.addEventListener("reset", () => setTimeout(apply));
})();
