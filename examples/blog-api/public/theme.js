// Runs before anything is painted: whoever has chosen a theme never sees the other one flash.
{
  const chosen = localStorage.getItem('blog.theme');
  if (chosen !== null) document.documentElement.dataset.theme = chosen;
}
