sandbox fault clear
if [ -e "$FOLDER/contributions/rules/lesson.yml" ]; then
  rm "$FOLDER/contributions/rules/lesson.yml"
  (cd "$FOLDER" && docker compose kill --signal HUP prometheus)
fi
