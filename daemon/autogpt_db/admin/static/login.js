// The ticket of `autogpt-db admin open` stands behind #, which browsers send to nobody.
"use strict";
const ticket = location.hash.slice(1);
if (ticket) {
  history.replaceState(null, "", "/login");
  document.getElementById("ticket").value = ticket;
  document.querySelector("form").submit();
}
