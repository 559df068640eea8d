// A file over the limit is refused before it is sent, with a sentence above the place that it was meant for.
// Gradio would say so in a corner, for ten seconds, and then ask after an upload that never began.
function sentenceFor(element) {
  for (let around = element; around; around = around.parentElement) {
    const found = around.querySelector(".too-large");
    if (found) return found;
  }
}
function refuseLargeFiles(event) {
  const said = sentenceFor(event.target);
  const files = event.type === "drop" ? event.dataTransfer?.files : event.target.files;
  if (!said || !files?.length) return;
  const large = [...files].filter((file) => file.size > Number(said.dataset.bytes));
  said.hidden = !large.length;
  if (said.hidden) return;
  const names = large.map((file) => `“${file.name}”`).join(", ");
  said.textContent = `${names}: more than ${said.dataset.bytes / 2 ** 20} MB; choose a smaller file.`;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.type === "change") event.target.value = ""; // the same file may be chosen again
  else event.target.dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: new DataTransfer() }));
}
for (const type of ["change", "drop"]) document.addEventListener(type, refuseLargeFiles, true);
// A head that takes the place of the file does away with the sentence.
document.addEventListener("click", ({ target }) => {
  const heads = target.closest(".heads");
  if (heads) sentenceFor(heads).hidden = true;
}, true);
