// The browser's time zone, for readers whose zone the site does not know.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes("ticket-zone=")) {
    document.cookie = `ticket-zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  }
})();
