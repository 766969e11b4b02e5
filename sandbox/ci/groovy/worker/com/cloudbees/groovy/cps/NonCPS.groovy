package com.cloudbees.groovy.cps

import java.lang.annotation.Retention
import java.lang.annotation.RetentionPolicy

/** Marks a method that Jenkins runs in one go. Here every method is such a one. */
@Retention(RetentionPolicy.RUNTIME)
@interface NonCPS {
}
