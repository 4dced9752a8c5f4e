// What no form can do alone: ask a passkey. A form says where its question is (data-ask, data-new); the answer is sent along with
// everything else that the form says, and counts for exactly that.
"use strict";
{
  const page = document.querySelector("main");
  const put = (form, name, value) => {
    const field = form.querySelector(`input[type=hidden][name="${name}"]`) ?? form.appendChild(document.createElement("input"));
    Object.assign(field, { type: "hidden", name, value });
  };
  const question = async (path, form, button) => {
    const body = new URLSearchParams(new FormData(form, button));
    const answer = await fetch(path, { method: "POST", body });
    if (answer.redirected) throw new Error("you are no longer logged in");
    const told = await answer.json();
    if (!answer.ok) throw new Error(`${told.title}: ${told.hint}`);
    return told;
  };
  const keep = (form, ceremony, credential) => {
    put(form, "ceremony", ceremony);
    put(form, "answer", JSON.stringify(credential.toJSON()));
  };
  const ask = async (form, button) => {
    if (form.dataset.ask) {
      const { ceremony, options } = await question(form.dataset.ask, form, button);
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey);
      keep(form, ceremony, await navigator.credentials.get({ publicKey }));
    }
    if (form.dataset.new) {
      const { ceremony, options } = await question(form.dataset.new, form, button);
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey);
      keep(form, ceremony, await navigator.credentials.create({ publicKey }));
    }
  };
  page.addEventListener("submit", async (event) => {
    const [form, button] = [event.target, event.submitter];
    if (!form.dataset.ask && !form.dataset.new) return;
    event.preventDefault();
    if (page.dataset.asking) return;
    page.dataset.asking = "yes";
    try {
      await ask(form, button);
      if (button?.name) put(form, button.name, button.value);
      form.submit();
    } catch (error) {
      const said = form.querySelector("[role=alert]") ?? form.appendChild(document.createElement("p"));
      said.setAttribute("role", "alert");
      said.className = "problem";
      said.textContent = error.name === "NotAllowedError" ? "No passkey answered. Nothing was sent." : error.message;
      delete page.dataset.asking;
    }
  });
}
