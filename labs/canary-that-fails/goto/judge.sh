echo "judge: harm: this step was skipped, so nobody looked" >verdict.txt
