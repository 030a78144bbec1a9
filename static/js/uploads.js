// form[data-upload]: its file is sent in parts by tus; what has arrived is not sent again after a break.
(() => {
  "use strict";
  const MIB = 1048576;
  const token = () => JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];

  const prepare = (form) => {
    const input = form.querySelector("input[type=file]");
    const area = form.querySelector("[data-upload-progress]");
    const words = form.querySelector("[data-upload-words]");
    const refusal = form.querySelector("[data-upload-error]");
    const send = form.querySelector("button:not([type=button])");
    const pause = form.querySelector("[data-upload-pause]");
    let upload = null;

    const say = (text) => {
      refusal.hidden = !text;
      refusal.querySelector("span").textContent = text;
      if (text) refusal.scrollIntoView({ block: "nearest" });
    };
    const busy = (is) => {
      send.disabled = input.disabled = is;
      if (pause) pause.hidden = !is;
      if (is) addEventListener("beforeunload", stay);
      else removeEventListener("beforeunload", stay);
    };
    const stay = (event) => event.preventDefault();
    let told = "";
    const progress = (done, total) => {
      area.hidden = false;
      const percent = total ? Math.floor(done * 100 / total) : 0;
      area.querySelector("progress").value = percent;
      const now = words.dataset.words.replace("{done}", Math.floor(done / MIB)).replace("{total}", Math.ceil(total / MIB)).replace("{percent}", percent);
      if (now !== told) words.textContent = told = now;
    };
    const metadata = (file) => {
      const found = { filename: file.name };
      form.querySelectorAll("input[name]:not([type=file])").forEach((field) => { found[field.name] = field.value; });
      return found;
    };
    const why = (file) => {
      if (form.dataset.uploadMost && file.size > Number(form.dataset.uploadMost)) return form.dataset.uploadLarge;
      if (form.dataset.uploadSize && file.size !== Number(form.dataset.uploadSize)) return form.dataset.uploadOther;
      return "";
    };

    let page = form.dataset.uploadDone || "";
    const begin = async (file) => {
      const options = {
        endpoint: form.dataset.uploadTo,
        uploadUrl: form.dataset.uploadUrl || null,
        retryDelays: [0, 1000, 3000, 5000, 10000, 20000],
        headers: { "X-CSRFToken": token() },
        metadata: metadata(file),
        removeFingerprintOnSuccess: true,
        onAfterResponse: (_request, response) => { page = response.getHeader("Image-Page") || page; },
        onShouldRetry: (error) => {
          const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
          return status === 0 || status === 409 || status === 423 || status >= 500;
        },
        onProgress: progress,
        onError: (error) => {
          const answer = error.originalResponse;
          busy(false);
          say(answer && answer.getStatus() < 500 && answer.getBody() ? answer.getBody() : refusal.dataset.lost);
        },
        onSuccess: () => {
          busy(false);
          location.assign(page || form.dataset.uploadTo.replace(/uploads\/$/, ""));
        },
      };
      upload = new tus.Upload(file, options);
      if (!options.uploadUrl) {
        const [before] = await upload.findPreviousUploads();
        if (before) upload.resumeFromPreviousUpload(before);
      }
      upload.start();
    };

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const [file] = input.files;
      if (!file) return;
      const reason = why(file);
      say(reason);
      if (reason) return;
      busy(true);
      progress(0, file.size);
      begin(file);
    });
    if (pause) pause.addEventListener("click", () => {
      const isPaused = pause.textContent === pause.dataset.goOn;
      pause.textContent = isPaused ? pause.dataset.pause : pause.dataset.goOn;
      if (isPaused) upload.start();
      else upload.abort();
    });
  };

  // input[data-name-of-image="#id"]: an image is called like its file until its sender calls it otherwise
  document.addEventListener("change", (event) => {
    const target = event.target instanceof Element && event.target.matches("[data-name-of-image]") ? event.target : null;
    const name = target && document.querySelector(target.dataset.nameOfImage);
    if (!name || !target.files.length || (name.value && name.dataset.made !== name.value)) return;
    name.value = name.dataset.made = target.files[0].name.replace(/\.[A-Za-z0-9]+$/, "").replace(/[^A-Za-z0-9()[\] ./'@_-]+/g, "-").slice(0, 128);
  });

  document.querySelectorAll("form[data-upload]").forEach(prepare);
})();
